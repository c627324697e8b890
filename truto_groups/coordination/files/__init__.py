"""Coordination through files beside the database, for the processes of one machine.

The kernel's locks tell who is there, so that nothing is left to tidy up after a process was killed.

    file_coordination   all of it, for one database
    turns               turns of processes: alone, or with others who only look
    presence            which runs are alive, told by locks
    counter             a count that only goes up
    start_log           when requests started, in SQLite
"""
