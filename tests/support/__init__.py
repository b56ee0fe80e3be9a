"""What tests start and ask: processes, proxies, services, clients, a browser."""
