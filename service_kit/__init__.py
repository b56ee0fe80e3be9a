"""What every service needs the same: settings, logging, TLS, health, metrics.

Never holds anything that only one service needs, and never imports a service.
"""
