"""Scripts that measure speed, as tables and JSON; nothing here is part of the package, and no test asserts a time."""
