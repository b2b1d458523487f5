"""From a folder of data, a machine and a number of minutes to a config: what is measured, and the rules that choose."""
