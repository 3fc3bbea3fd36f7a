# The interpreter's side of a worker: imports what programs use, forks in cogent_serve(), and in the
# fork becomes the program. Nothing here is secret or trusted: it runs in the program's own process.
import atexit, builtins, ctypes, gc, io, os, struct, sys, threading, types

# A run begins with a seed of 0, so that its fork needs no other: the interpreter's own reseeding is put off.
register, os.register_at_fork = os.register_at_fork, lambda **hooks: None
import random
os.register_at_fork = register
del register

FOLDER = os.environ["HOME"] + "/run"


def warm():
    """What most programs need, imported and compiled once instead of in each run. No more than that: each fork
    copies the memory of all that is loaded here (docs/sandbox.md, "Speed")."""
    for name in ("bisect collections copy enum functools heapq itertools math operator re string time typing").split():
        __import__(name)
    compile("class A:\n def f(self, *a, **k):\n  try:\n   return [x for x in a if x] or {**k}\n  except E as e: raise\n"
            "with a as b: f'{b!r:>3}'\n", "warm", "exec")
    import re
    re.compile(r"(a|b)+[c-e]*?\d{2,3}$").match("ab")


def finish(code, threads=threading._shutdown, run=atexit._run_exitfuncs, leave=os._exit):
    """Ends the process as the interpreter would, without taking every module apart."""
    try:
        threads()
        run()
    except BaseException:
        code = 1
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            code = code or (120 if stream is sys.stdout else 0)
    leave(code)


def show(error):
    """Prints an error as the interpreter does, without the frames of this file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == "<string>":
        trace = trace.tb_next
    try:
        sys.excepthook(type(error), error.with_traceback(trace), trace)
    except BaseException:
        pass


def load(name):
    """Runs program.py as a new module; an error is printed. Gives the module and the exit status."""
    path = FOLDER + "/program.py"
    module = types.ModuleType(name)
    module.__file__, module.__builtins__ = path, builtins
    sys.modules[name] = module
    sys.argv[:] = ["program.py"]
    sys.path.insert(0, FOLDER)
    try:
        with open(path, "rb") as file:
            source = file.read()
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
        return module, 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return module, 0 if error.code is None else error.code & 0xFF
        print(error.code, file=sys.stderr)
        return module, 1
    except BaseException as error:
        show(error)
        return module, 1


def main():
    warm()
    zygote = ctypes.PyDLL(os.environ.pop("COGENT_ZYGOTE"))
    sys.path[:] = [p for p in sys.path if p]
    gc.collect()
    gc.freeze()
    random.seed(0)
    mode = zygote.cogent_serve()
    # From here on this is a run.
    os.register_at_fork(after_in_child=random._inst.seed)
    if mode == 0:
        finish(load("__main__")[1])
    elif mode == 1:
        candidate()
    else:
        judge()
