pytest_plugins = ["pilothouse.testing.plugin"]
