"""The trial of other tools beside this one."""
