# The judge's process: runs a task's tests with a stand-in for the candidate, and reports on its own
# standard output. Nothing that the candidate does is executed here.
ERRORS = {name: kind for name, kind in vars(builtins).items()
          if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, (StopIteration, StopAsyncIteration, Warning))}


class CandidateError(Exception):
    """An exception of the candidate whose type is not built in."""


class Gone(BaseException):
    """The candidate ended, or broke the rules of the channel: no test can pass from here on."""


class Broken(BaseException):
    """The tests themselves cannot be run: a fault of the task."""


class Candidate:
    def __init__(self, channel):
        self.channel, self.over, self.broken = channel, None, None

    def call(self, name, args, kwargs):
        if self.over:
            raise Gone(self.over)
        mark, parts = os.urandom(16), []
        try:
            encode([name, args, kwargs], parts)
        except Unsendable as error:
            self.broken = "the tests call '%s' with %s" % (name, error)
            raise Broken(self.broken)
        try:
            send(self.channel, mark + b"".join(parts))
            reply = receive(self.channel)
            if reply is None:
                raise ValueError("the candidate ended")
            if reply[:16] != mark:
                raise ValueError("the candidate answered what nobody asked")
            value, end = decode(reply, 17)
            if end != len(reply) or reply[16] not in b"RX" or type(value) is not list or len(value) != (1 if reply[16] == 82 else 2):
                raise ValueError("the candidate's answer is malformed")
        except (OSError, ValueError, IndexError, struct.error, KeyError, RecursionError) as error:
            self.over = str(error) or type(error).__name__
            raise Gone(self.over)
        if reply[16] == 88:
            name, text = (str(part) for part in value)
            raise as_error(name, text)
        return value[0]  # arguments are copies there: a change of them cannot reach the tests

    def function(self, name):
        def stand_in(*args, **kwargs):
            return self.call(name, args, kwargs)
        stand_in.__name__ = name
        return stand_in


def as_error(name, text):
    try:
        return ERRORS[name](text)
    except (KeyError, TypeError):
        return CandidateError(name + ": " + text)


def judge():
    import json
    report = os.dup(1)  # what tests print must not be taken for the report
    os.dup2(2, 1)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", "backslashreplace", line_buffering=True)
    task = json.loads(sys.stdin.buffer.read())  # never a file: at a weaker level the candidate could see it
    result = {"passed": 0, "total": 0, "broken": "", "failure": ""}
    candidate = Candidate(3)
    try:
        {"asserts": judge_asserts, "statements": judge_statements, "unittest": judge_unittest}[task["style"]](task, candidate, result)
    except Gone as error:
        result["failure"] = str(error)
    except Broken as error:
        result["broken"] = str(error)
    except BaseException as error:
        result["broken"] = "%s: %s" % (type(error).__name__, error)
    result["broken"] = result["broken"] or candidate.broken or ""
    os.write(report, json.dumps(result).encode())
    finish(0)


def scope_of(task, candidate):
    """Where tests run: the task's set-up, then the stand-in under the entry point's name."""
    scope = {"__name__": "tests", "__builtins__": builtins}
    if task.get("setup"):
        exec(compile(task["setup"], "setup.py", "exec", dont_inherit=True), scope)
    scope[task["entry_point"]] = candidate.function(task["entry_point"])
    return scope


def attempt(result, test):
    """Runs one test and counts it. A test that fails by whatever exception is a failed test."""
    result["total"] += 1
    try:
        test()
        result["passed"] += 1
    except (Gone, Broken):
        raise
    except BaseException as error:
        result["failure"] = result["failure"] or ("%s: %s" % (type(error).__name__, error))[:500]


def judge_asserts(task, candidate, result):
    scope = scope_of(task, candidate)
    exec(compile(task["test"], "tests.py", "exec", dont_inherit=True), scope)
    attempt(result, lambda: scope["check"](scope[task["entry_point"]]))


def judge_statements(task, candidate, result):
    scope = scope_of(task, candidate)
    codes = [compile(test, "tests.py", "exec", dont_inherit=True) for test in task["tests"]]
    result["total"] = 0
    for code in codes:
        try:
            attempt(result, lambda: exec(code, dict(scope)))
        except Gone as error:
            result["failure"] = result["failure"] or str(error)
    result["total"] = len(codes)


def judge_unittest(task, candidate, result):
    import unittest
    scope = scope_of(task, candidate)
    exec(compile(task["test"], "tests.py", "exec", dont_inherit=True), scope)
    loader = unittest.TestLoader()
    for kind in [k for k in scope.values() if isinstance(k, type) and issubclass(k, unittest.TestCase) and k is not unittest.TestCase]:
        for test in loader.loadTestsFromTestCase(kind):
            outcome = unittest.TestResult()
            result["total"] += 1
            try:
                test.run(outcome)
            except Gone as error:
                result["failure"] = result["failure"] or str(error)
                continue
            # A skipped test is not a passed one.
            if outcome.testsRun == 1 and outcome.wasSuccessful() and not (outcome.skipped or outcome.expectedFailures):
                result["passed"] += 1
            elif not result["failure"]:
                texts = [text for _, text in outcome.errors + outcome.failures] or ["skipped"]
                result["failure"] = texts[0].strip().splitlines()[-1][:500]
    if result["total"] == 0:
        raise Broken("the tests hold no test case")
