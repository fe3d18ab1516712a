"""The functions of AWS Lambda, driven by the events that AWS sends, on real databases and a server of AWS."""
