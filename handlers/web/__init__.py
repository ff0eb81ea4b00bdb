"""The console: pages, their JSON, the local chat page."""
