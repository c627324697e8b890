"""Every statement longer than a line: what a set of rows becomes, in SQL that all backends run."""
