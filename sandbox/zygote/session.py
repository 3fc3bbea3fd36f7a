# A call of a session (sandbox/session.cc): the calls that were kept run again with their output put aside, then the new
# one. Nothing here is secret or trusted: it shares its process with the calls, and says only whether they came to an end.
import _ast, binascii, os, sys, types


def read(name):
    with open(name, "rb") as file:
        data = file.read()
    os.unlink(name)
    return data


def execute(source, name, scope):
    """As a shell does: what a last expression gives is printed. Returns the exit status."""
    try:
        tree = compile(source, name, "exec", 0x400, True)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], _ast.Expr) else None
        exec(compile(tree, name, "exec", 0, True), scope)
        if last is not None:
            exec(compile(_ast.Interactive([last]), name, "single", 0, True), scope)
        return 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return 0 if error.code is None else error.code & 0xFF
        print(error.code, file=sys.stderr)
    except BaseException as error:
        show(error)
    return 1


def show(error):
    """The traceback, from the calls' own frames on and with their lines."""
    import linecache, traceback
    for number, source in enumerate(sources, 1):
        lines = source.decode("utf-8", "replace").splitlines(True)
        linecache.cache["<call %d>" % number] = (len(source), None, lines, "<call %d>" % number)
    trace = error.__traceback__
    while trace is not None and not trace.tb_frame.f_code.co_filename.startswith("<call "):
        trace = trace.tb_next
    try:
        traceback.print_exception(type(error), error, trace)
    except BaseException:
        pass


def place(out, err):
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            stream.flush()
        except BaseException:
            pass
    os.dup2(out, 1)
    os.dup2(err, 2)


def aside():
    descriptor = os.open(".aside", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    os.unlink(".aside")
    return high(descriptor)


def high(descriptor, dup=os.dup):
    """The same file under a number that calls do not get for files of their own."""
    held = []
    while descriptor < 20:
        held.append(descriptor)
        descriptor = dup(descriptor)
    for one in held:
        if one > 2:
            os.close(one)
    return descriptor


def checksum(files):
    sum = 0
    for file in files:
        os.lseek(file, 0, os.SEEK_SET)
        while data := os.read(file, 1 << 16):
            sum = binascii.crc32(data, sum)
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
    return sum


mark, *sums = read("session").split()
sources = [read("call_%d" % number) for number in range(1, len(sums) + 2)]
os.unlink("program.py")
module = sys.modules["__main__"] = types.ModuleType("__main__")
module.__builtins__ = __builtins__
sys.argv[:] = [""]
streams = (high(1), high(2))
first_other = 0
if sums:
    files = (aside(), aside())
    place(*files)
    for number, sum in enumerate(sums, 1):
        execute(sources[number - 1], "<call %d>" % number, module.__dict__)
        place(*files)
        if checksum(files) != int(sum) and not first_other:
            first_other = number
    place(*streams)
    for file in files:
        os.close(file)
os.write(streams[1], mark)
status = execute(sources[-1], "<call %d>" % len(sources), module.__dict__)
place(*streams)
os.write(streams[1], b"%s %d" % (mark, first_other))
os._exit(status)
