#include "sandbox/judge.h"

#include "tests/sandbox/sandbox_test_util.h"

namespace cogent {
namespace {

const Limits kLimits{.wall_seconds = 10, .cpu_seconds = 10};

JudgedResult Asserts(const std::string& source, const std::string& body) {
  FunctionTests tests{.style = TestStyle::kAsserts, .entry_point = "f", .text = "def check(candidate):\n    " + body + "\n"};
  return Judge(Shared(), {.source = source}, tests, kLimits);
}

TEST(Judge, PassesARightFunctionAndFailsAWrongOne) {
  EXPECT_EQ(Asserts("def f(x): return x + 1", "assert candidate(1) == 2").candidate.verdict, RunVerdict::kOk);
  EXPECT_EQ(Asserts("def f(x): return x", "assert candidate(1) == 2").candidate.verdict, RunVerdict::kWrongAnswer);
}

TEST(Judge, CarriesPlainDataBothWaysWithItsExactTypes) {
  const std::string values = "[None, True, 0, -7, 10**40, 1.5, 2j, 'a\\ud800', b'\\xff', [1, [2]], (1,), {1: {2}}, {3}, frozenset({4})]";
  const JudgedResult result = Asserts("def f(x): return x",
      "values = " + values + "\n    assert candidate(values) == values\n    assert [type(v) for v in candidate(values)] == [type(v) for v in values]");
  EXPECT_EQ(result.candidate.verdict, RunVerdict::kOk) << result.failure << result.broken;
}

TEST(Judge, TakesNoSubclassOfAType) {
  const JudgedResult result = Asserts("class N(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\ndef f(x): return N(0)", "assert candidate(1) == 2");
  EXPECT_EQ(result.candidate.verdict, RunVerdict::kWrongAnswer);
  EXPECT_NE(result.failure.find("'N'"), std::string::npos) << result.failure;
}

TEST(Judge, ExceptionsOfBuiltInTypesArriveAsThemselves) {
  const JudgedResult result = Asserts("def f(x): raise ValueError('no ' + x)",
                                      "try:\n        candidate('good')\n    except ValueError as e:\n        assert str(e) == 'no good'\n    else:\n        assert False");
  EXPECT_EQ(result.candidate.verdict, RunVerdict::kOk) << result.failure;
}

TEST(Judge, ACandidateCannotChangeWhatTheTestsCompareWith) {
  const std::string source = "def f(x):\n    x.clear()\n    return []";
  EXPECT_EQ(Asserts(source, "v = [3, 1, 2]\n    assert candidate(v) == sorted(v)").candidate.verdict, RunVerdict::kWrongAnswer);
}

TEST(Judge, TheCandidateHoldsNoneOfTheTests) {
  // Looks through all memory that it can write for a number that only the tests have.
  const std::string source = R"(
def f(x):
    needle = ('%d' % (x * 1000003)).encode()
    for line in open('/proc/self/maps'):
        span, mode = line.split()[:2]
        if mode[0] != 'r' or '[v' in line: continue
        low, high = (int(part, 16) for part in span.split('-'))
        with open('/proc/self/mem', 'rb', 0) as memory:
            memory.seek(low)
            try: data = memory.read(high - low)
            except (OSError, ValueError, OverflowError): continue
        if data.count(needle + b'#') > 0: return 'found'
    return 'nothing'
)";
  // 7000021# stands in the tests' text only.
  const JudgedResult result = Asserts(source, "assert candidate(7) == 'nothing'  # 7000021#");
  EXPECT_EQ(result.candidate.verdict, RunVerdict::kOk) << result.failure << result.candidate.err;
}

TEST(Judge, CountsStatementsOneByOne) {
  FunctionTests tests{.style = TestStyle::kStatements, .entry_point = "f", .statements = {"assert f(1) == 1", "assert f(2) == 3", "assert f(3) == 3"}};
  const JudgedResult result = Judge(Shared(), {.source = "def f(x): return x"}, tests, kLimits);
  EXPECT_EQ(result.passed, 2);
  EXPECT_EQ(result.total, 3);
  EXPECT_EQ(result.candidate.verdict, RunVerdict::kWrongAnswer);
}

TEST(Judge, TestsThatCannotRunAreNoVerdictAboutTheCandidate) {
  EXPECT_NE(Asserts("def f(x): return x", "assert candidate(print) == 1").broken, "");
  FunctionTests tests{.style = TestStyle::kUnittest, .entry_point = "f", .text = "x = 1"};
  EXPECT_NE(Judge(Shared(), {.source = "def f(x): return x"}, tests, kLimits).broken, "");
}

TEST(Judge, ACandidateOverItsLimitGetsThatVerdict) {
  FunctionTests tests{.style = TestStyle::kAsserts, .entry_point = "f", .text = "def check(candidate):\n    assert candidate(1) == 1\n"};
  EXPECT_EQ(Judge(Shared(), {.source = "def f(x):\n    while True: pass"}, tests, {.wall_seconds = 0.5}).candidate.verdict, RunVerdict::kTimeLimit);
}

TEST(Judge, ComparesOutputByTheRuleAsked) {
  EXPECT_TRUE(SameOutput("1 2\n", " 1\n2", {CompareKind::kTokens}));
  EXPECT_FALSE(SameOutput("1 2\n", "1 2 3", {CompareKind::kTokens}));
  EXPECT_FALSE(SameOutput("a b\n", "a  b\n", {CompareKind::kLines}));
  EXPECT_TRUE(SameOutput("a b\n", "a b  \n\n", {CompareKind::kLines}));
  EXPECT_FALSE(SameOutput("a\nb", "a\n", {CompareKind::kLines}));
  EXPECT_TRUE(SameOutput("0.5", "0.5000001", {CompareKind::kFloat, 1e-6}));
  EXPECT_FALSE(SameOutput("0.5", "nan", {CompareKind::kFloat, 1e-6}));
  EXPECT_FALSE(SameOutput("nan", "nan", {CompareKind::kFloat, 1e-6}));
  EXPECT_FALSE(SameOutput("1e400", "inf", {CompareKind::kFloat, 1e-6}));
  EXPECT_FALSE(SameOutput("1", "1\n1", {CompareKind::kFloat, 1e-6}));
  EXPECT_FALSE(SameOutput("1\n", "1", {CompareKind::kExact}));
}

}  // namespace
}  // namespace cogent
