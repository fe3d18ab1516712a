"""The PostgreSQL that the tests run on: the wheel's, or the one that STARLIFT_TEST_POSTGRES names."""
