"""The bounded queue and the one writer behind both doors."""
