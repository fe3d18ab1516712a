"""Pure decisions: no driver, no network, no environment, no clock, no file. A test holds this."""
