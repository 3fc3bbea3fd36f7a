// What ParseYaml, ParseYamlFile, ApplyOverride and DumpYaml accept, refuse and say.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/config.h"
#include "core/file.h"
#include "core/scalar.h"
#include "tests/core/core_test_util.h"

namespace cogent {
namespace {

using Kind = Node::Kind;

std::string ParseError(const std::string& text) {
  return ErrorOf<ConfigError>([&] { ParseYaml(text, "run.yaml"); });
}

// Equal in kind, text and shape, and in quotes where quotes decide the type.
bool SameTree(const Node& a, const Node& b) {
  if (a.kind != b.kind || a.text != b.text) return false;
  if (a.kind == Kind::kScalar && a.quoted != b.quoted && NeedsQuotes(a.text)) return false;
  if (a.items.size() != b.items.size() || a.entries.size() != b.entries.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    if (!SameTree(a.items[i], b.items[i])) return false;
  }
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    if (a.entries[i].first != b.entries[i].first) return false;
    if (!SameTree(a.entries[i].second, b.entries[i].second)) return false;
  }
  return true;
}

TEST(Yaml, EveryValueAndKeyKnowsItsPlace) {
  const Node root = ParseYaml("seed: 3\nsampler:\n  mode: \"greedy\"\n  stops: [a, b]\n  none:\n", "run.yaml");
  EXPECT_EQ(root.location.ToString(), "run.yaml:1:1");
  const Node& sampler = *root.Find("sampler");
  EXPECT_EQ(root.key_locations[1].ToString(), "run.yaml:2:1");
  EXPECT_EQ(sampler.location.ToString(), "run.yaml:3:3");
  EXPECT_EQ(sampler.Find("mode")->location.ToString(), "run.yaml:3:9");
  EXPECT_TRUE(sampler.Find("mode")->quoted);
  EXPECT_EQ(sampler.Find("stops")->items[1].location.ToString(), "run.yaml:4:14");
  EXPECT_EQ(sampler.Find("none")->kind, Kind::kNull);
  EXPECT_EQ(sampler.Find("none")->location.ToString(), "run.yaml:5:3");
}

TEST(Yaml, MistakesAreReportedWordForWord) {
  const struct {
    const char* text;
    const char* message;
  } kCases[] = {
      {"a: 1\nb: 2\na: 3\n", "run.yaml:3:1: key 'a' is given twice; the first is at run.yaml:1:1. Remove one of them."},
      {"a:\n  x: 1\n  x: 2\nb: 1\nb: 2\n",
       "run.yaml:3:3: key 'x' is given twice; the first is at run.yaml:2:3. Remove one of them.\n"
       "run.yaml:5:1: key 'b' is given twice; the first is at run.yaml:4:1. Remove one of them."},
      {"base: &b {x: 1}\nown:\n  <<: *b\n",
       "run.yaml:3:3: merge keys (<<) are not supported; write the keys out, or put `extends: FILE` at the top of the file."},
      {"a: [1, 2\nb: 3\n", "run.yaml:2:2: not YAML: a '[' is not closed, or a ',' is missing."},
      {"a: {x: 1\n", "run.yaml:2:1: not YAML: a '{' is not closed, or a ',' is missing."},
      {"a: b: c\n", "run.yaml:1:5: not YAML: a ':' where no key can be; put quotes around text that holds ': '."},
      {"a:\n\tb: 3\n", "run.yaml:2:3: not YAML: there is a tab in this line's indentation; use spaces."},
      {"a: 1\n b: 2\n", "run.yaml:2:3: not YAML: a ':' where no key can be; put quotes around text that holds ': '."},
      {"a: 'x", "run.yaml:1:6: not YAML: a quote is not closed."},
      {"a: 'x\nb: 3\n", "run.yaml:1:4: not YAML: this quote is not closed."},
      {"é: 1\na: &q !!str \"x\\\"\nb: 3\n", "run.yaml:2:4: not YAML: this quote is not closed."},
      {"a: @x\n", "run.yaml:1:4: not YAML: text cannot start with this character; put it in quotes."},
      {"a: *x\n", "run.yaml:1:4: not YAML: this alias names no anchor above it."},
      {"a: &x [1, *x]\n", "run.yaml:1:11: this alias stands inside the value that it names."},
      {"a: !env HOME\n", "run.yaml:1:4: the tag '!env' means nothing here; remove it."},
      {"a: 1\n---\nb: 2\n", "run.yaml:2:1: a second document starts here; a file holds one. Split it, or remove '---'."},
      {"? [a, b]\n: 1\n", "run.yaml:1:3: a key must be text; write `key: value`, and quotes around unusual keys."},
      {"~: 1\n", "run.yaml:1:1: a key must be text; write `key: value`, and quotes around unusual keys."},
      {"a: \x01\n", "run.yaml:1:4: control character '\\x01'; remove it, or write it as an escape in double quotes."},
      {"a: 1\nb: \xff\n", "run.yaml:2:4: this is not UTF-8 text; save the file as UTF-8."},
  };
  for (const auto& test : kCases) EXPECT_EQ(ParseError(test.text), test.message) << test.text;
}

TEST(Yaml, EscapesOfCharactersBeyondAsciiAreUtf8AndAreWrittenAgain) {
  const Node tree = ParseYaml("a: \"x\\Ny\\_z\\L\\u00e9\"", "c.yaml");
  EXPECT_EQ(tree.Find("a")->text, "x\u0085y\u00a0z\u2028\u00e9");
  EXPECT_EQ(ParseYaml(DumpYaml(tree), "d.yaml").Find("a")->text, tree.Find("a")->text);
}

TEST(Yaml, AnEmptyFileIsNull) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "\xEF\xBB\xBF"}) {
    EXPECT_EQ(ParseYaml(text, "run.yaml").kind, Kind::kNull) << text;
  }
}

TEST(Yaml, AnAliasIsACopy) {
  const Node root = ParseYaml("a: &x {n: 1}\nb: *x\n", "run.yaml");
  EXPECT_EQ(root.Find("b")->Find("n")->text, "1");
}

TEST(Yaml, AnAliasBombIsRefused) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 1; k < 10; ++k) bomb += "," + last;
    bomb += "]\n";
  }
  EXPECT_NE(ParseError(bomb).find("too many values for one file (aliases count each time)"), std::string::npos);
  std::string chain = "a0: &a0 [x]\n";  // depth instead of breadth
  for (int i = 1; i < 200; ++i) {
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
  }
  EXPECT_NE(ParseError(chain).find("nested more than 100 deep"), std::string::npos);
}

TEST(Yaml, DepthIsLimitedTo100) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(ParseError(nested(100)), "");
  EXPECT_EQ(ParseError(nested(101)), "run.yaml:1:101: lists and maps are nested more than 100 deep.");
  EXPECT_NE(ParseError(std::string(1'000'000, '[')), "");
}

TEST(Yaml, SizeIsLimitedTo10Megabytes) {
  EXPECT_EQ(ParseError(std::string(10'000'001, '\n')), "run.yaml: longer than 10000000 bytes, the most that is read here.");
}

TEST(YamlFile, AMissingFileIsNamedWithTheReason) {
  EXPECT_EQ(ErrorOf<ConfigError>([] { ParseYamlFile("/nowhere/run.yaml"); }),
            "/nowhere/run.yaml: cannot open: No such file or directory");
}

TEST(Extends, TheFilesOwnKeysWinAndMapsAreMerged) {
  TestFolder folder;
  std::filesystem::create_directory(folder / "base");
  WriteFileAtomic(folder / "base/deep.yaml", "seed: 1\nsampler: {temperature: 1, mode: sample}\n");
  WriteFileAtomic(folder / "base/mid.yaml", "extends: deep.yaml\nsampler: {mode: greedy}\nstops: [a, b]\n");
  WriteFileAtomic(folder / "run.yaml", "extends: base/mid.yaml\nsteps: 5\nsampler:\n  temperature: 2\nstops: [c]\n");
  const Node root = ParseYamlFile(folder / "run.yaml");
  EXPECT_EQ(DumpYaml(root), "seed: 1\nsampler:\n  temperature: 2\n  mode: greedy\nstops: [c]\nsteps: 5\n");
  EXPECT_EQ(root.Find("sampler")->Find("temperature")->location.ToString(), folder / "run.yaml:4:16");
  EXPECT_EQ(root.Find("sampler")->Find("mode")->location.ToString(), folder / "base/mid.yaml:2:17");
}

TEST(Extends, AnotherChoiceReplacesTheSettingsOfTheFirst) {
  TestFolder folder;
  WriteFileAtomic(folder / "base.yaml", "algorithm: {name: grpo, clip_ratio: 0.2}\nenv: signs\n");
  WriteFileAtomic(folder / "run.yaml", "extends: base.yaml\nalgorithm: {name: dapo}\nenv: {terms: 3}\n");
  EXPECT_EQ(DumpYaml(ParseYamlFile(folder / "run.yaml")),
            "algorithm:\n  name: dapo\nenv:\n  terms: 3\n  name: signs\n");
}

TEST(Extends, AFileOfAnotherNameKeepsWhatItInherits) {
  TestFolder folder;
  WriteFileAtomic(folder / "base.yaml", "name: first\nseed: 1\n");
  WriteFileAtomic(folder / "run.yaml", "extends: base.yaml\nname: second\n");
  EXPECT_EQ(DumpYaml(ParseYamlFile(folder / "run.yaml")), "name: second\nseed: 1\n");
}

TEST(Extends, ACircleIsFound) {
  TestFolder folder;
  WriteFileAtomic(folder / "a.yaml", "x: 1\nextends: b.yaml\n");
  WriteFileAtomic(folder / "b.yaml", "extends: ./a.yaml\n");
  EXPECT_EQ(ErrorOf<ConfigError>([&] { ParseYamlFile(folder / "a.yaml"); }),
            (folder / "b.yaml") + ":1:10: `extends` goes in a circle: '" + (folder / "./a.yaml") + "' leads back to itself.");
}

TEST(Extends, AMissingOrWrongBaseIsReportedAtItsPlace) {
  TestFolder folder;
  WriteFileAtomic(folder / "a.yaml", "extends: gone.yaml\n");
  EXPECT_EQ(ErrorOf<ConfigError>([&] { ParseYamlFile(folder / "a.yaml"); }),
            (folder / "a.yaml") + ":1:10: " + (folder / "gone.yaml") + ": cannot open: No such file or directory");
  WriteFileAtomic(folder / "a.yaml", "extends: [b.yaml]\n");
  EXPECT_EQ(ErrorOf<ConfigError>([&] { ParseYamlFile(folder / "a.yaml"); }),
            (folder / "a.yaml") + ":1:10: 'extends' must be the path of one file.");
}

TEST(Override, ChangesAndCreatesValues) {
  const struct {
    const char* file;
    const char* assignment;
    const char* after;
  } kCases[] = {
      {"seed: 1\n", "seed=2", "seed: 2\n"},
      {"", "a.b.c=x", "a:\n  b:\n    c: x\n"},
      {"a: {b: 1, c: 2}\n", "a.c=[1, 2]", "a:\n  b: 1\n  c: [1, 2]\n"},
      {"a:\n", "a.b=1", "a:\n  b: 1\n"},
      {"a: [{b: 1}, {b: 2}]\n", "a.1.b=3", "a:\n  - b: 1\n  - b: 3\n"},
      {"algorithm: grpo\n", "algorithm.clip_ratio=0.3", "algorithm:\n  name: grpo\n  clip_ratio: 0.3\n"},
      {"a: 1\n", "a=", "a: null\n"},
      {"a: 1\n", "a={b: 1}", "a:\n  b: 1\n"},
      {"a: 1\n", "a=x=y", "a: x=y\n"},
      {"a: 1\n", "a=\"1\"", "a: \"1\"\n"},
  };
  for (const auto& test : kCases) {
    Node root = ParseYaml(test.file, "run.yaml");
    ApplyOverride(root, test.assignment);
    EXPECT_EQ(DumpYaml(root), test.after) << test.assignment;
  }
}

TEST(Override, BadOnesAreReportedWordForWord) {
  const struct {
    const char* assignment;
    const char* message;
  } kCases[] = {
      {"seed", "override 'seed': '=' is missing; write key=value, as in seed=3."},
      {"=3", "override '=3': the key has an empty part; write it as in a.b.c=value."},
      {"a..b=3", "override 'a..b=3': the key has an empty part; write it as in a.b.c=value."},
      {"l.2=3", "override 'l.2=3': 'l' is a list of 2; '2' must be a number from 0 to 1."},
      {"l.x=3", "override 'l.x=3': 'l' is a list of 2; 'x' must be a number from 0 to 1."},
      {"e.0=3", "override 'e.0=3': 'e' is an empty list; give the whole list."},
      {"a=[1", "override 'a=[1': value:1:1: not YAML: a '[' is not closed, or a ',' is missing."},
  };
  for (const auto& test : kCases) {
    Node root = ParseYaml("l: [1, 2]\ne: []\n", "run.yaml");
    EXPECT_EQ(ErrorOf<ConfigError>([&] { ApplyOverride(root, test.assignment); }), test.message);
  }
}

TEST(Override, IsThePlaceOfItsValueAndOfAllItMade) {
  Node root = ParseYaml("seed: 1\n", "run.yaml");
  ApplyOverride(root, "a.b=[1, {c: 2}]");
  const std::string place = "override 'a.b=[1, {c: 2}]'";
  EXPECT_EQ(root.key_locations[1].ToString(), place);
  const Node& b = *root.Find("a")->Find("b");
  EXPECT_EQ(b.location.ToString(), place);
  EXPECT_EQ(b.items[1].Find("c")->location.ToString(), place);
  EXPECT_EQ(b.items[1].key_locations[0].ToString(), place);
}

// Trees of every kind, with texts that look like other things.
rc::Gen<std::string> AnyText() {
  return rc::gen::oneOf(
      rc::gen::element<std::string>("no", "null", "~", "1e-3", "0x1F", "- a", "a: b", "a #b", "#", "", " ", "a ", "---",
                                    "...", "<<", "[a", "a, b", "\"", "'", "\\", "line\nline\n", "\ttab", "é中🙂", "?", "-",
                                    "-1", "-.inf", "*a", "&a", "!t", "%x", "@x", "`", "|", ">", "a:", ":a", "extends",
                                    "\xEF\xBB\xBF", "\xC2\x85", "\xE2\x80\xA8", "\x7F", std::string("\0", 1)),
      rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127)));
}

Node AnyTree(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 6 : 3);
  if (kind == 0) return {};
  if (kind < 3) {
    Node scalar = Node::Scalar(*AnyText());
    scalar.quoted = *rc::gen::arbitrary<bool>() || IsNullText(scalar.text);
    if (!scalar.quoted && DumpYaml(scalar)[0] == '"') scalar.quoted = true;  // cannot be written plain
    return scalar;
  }
  Node node = kind == 3 ? Node::List() : Node::Map();
  const int size = *rc::gen::inRange(0, 4);
  for (int i = 0; i < size; ++i) {
    Node child = AnyTree(depth - 1);
    if (kind == 3) {
      node.items.push_back(std::move(child));
    } else {
      node.Set((*AnyText()).substr(0, 40), std::move(child));
    }
  }
  return node;
}

RC_GTEST_PROP(DumpYaml, ReadsBackToAnEqualTree, ()) {
  const Node tree = AnyTree(4);
  const std::string text = DumpYaml(tree);
  Node back;
  try {
    back = ParseYaml(text, "dump");
  } catch (const ConfigError& error) {
    RC_LOG() << text << "\n" << error.what();
    RC_FAIL("does not parse");
  }
  RC_LOG() << text;
  RC_ASSERT(SameTree(tree, back));
}

RC_GTEST_PROP(ParseYaml, RandomBytesGiveATreeOrAConfigError, (const std::string& bytes)) {
  ErrorOf<ConfigError>([&] { ParseYaml(bytes, "f"); });
}

RC_GTEST_PROP(ParseYaml, RandomYamlishTextGivesATreeOrAConfigError, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "a", "b: ", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "!t ", "? ", "|", ">", "'", "\"", "#", "---\n",
      "...\n", "%", "<<: ", "\t", "\\", "é"));
  std::string text;
  for (const auto& piece : pieces) text += piece;
  ErrorOf<ConfigError>([&] {
    const Node tree = ParseYaml(text, "f");
    RC_LOG() << text << "\n->\n" << DumpYaml(tree);
    RC_ASSERT(SameTree(tree, ParseYaml(DumpYaml(tree), "f")));
  });
}

// ---- laying one tree over another ----

std::string Overlaid(const std::string& base, const std::string& path, const std::string& value) {
  Node root = ParseYaml(base, "base.yaml");
  Overlay(root, path, ParseYaml(value, "own.yaml"), {"own.yaml", 7, 3});
  return OneLineYaml(root);
}

TEST(Overlay, MergesMapsAndReplacesAllElse) {
  EXPECT_EQ(Overlaid("{a: {b: 1, c: 2}}", "a", "{c: 3, d: 4}"), "{a: {b: 1, c: 3, d: 4}}");
  EXPECT_EQ(Overlaid("{a: {b: 1, c: 2}}", "a.c", "[1, 2]"), "{a: {b: 1, c: [1, 2]}}");
  EXPECT_EQ(Overlaid("{a: {b: 1}}", "a", "null"), "{a: null}");
  EXPECT_EQ(Overlaid("{a: [{b: 1}, {b: 2, c: 3}]}", "a.1.b", "5"), "{a: [{b: 1}, {b: 5, c: 3}]}");
}

TEST(Overlay, AnotherNameReplacesTheSectionAndTheSameNameKeepsIt) {
  EXPECT_EQ(Overlaid("{a: {name: x, k: 1}}", "a", "{name: y}"), "{a: {name: y}}");
  EXPECT_EQ(Overlaid("{a: {name: x, k: 1}}", "a", "{name: x, l: 2}"), "{a: {name: x, k: 1, l: 2}}");
  EXPECT_EQ(Overlaid("{a: {name: x, k: 1}}", "a", "x"), "{a: x}");
  EXPECT_EQ(Overlaid("{a: x}", "a.k", "1"), "{a: {name: x, k: 1}}");
}

TEST(Overlay, MapsOnTheWayAreMadeWithThePlaceOfTheKey) {
  Node root = ParseYaml("{}", "base.yaml");
  Overlay(root, "a.b", ParseYaml("1", "own.yaml"), {"own.yaml", 7, 3});
  EXPECT_EQ(root.Find("a")->location.ToString(), "own.yaml:7:3");
  EXPECT_EQ(root.Find("a")->Find("b")->location.ToString(), "own.yaml:1:1");
  EXPECT_THROW(Overlay(root, "a..b", Node(), {}), ConfigError);
}

}  // namespace
}  // namespace cogent
