# Ending init by a limit would look like a fault of the sandbox.
import ctypes, os, resource
for what, f in (('limit', lambda: resource.prlimit(1, resource.RLIMIT_CPU, (0, 0))), ('niceness', lambda: os.setpriority(os.PRIO_PROCESS, 1, 19)),
                ('user', lambda: os.setpriority(os.PRIO_USER, 0, 19)), ('processors', lambda: os.sched_setaffinity(1, {0}))):
    try:
        f()
        print('BREACH', what)
    except OSError as e:
        print('refused', what, e.errno)
