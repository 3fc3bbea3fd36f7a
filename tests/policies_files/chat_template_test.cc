// Chat templates against Jinja's own renderings, and what cannot be read or goes wrong.
#include "policies/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "policies/tokenizer.h"
#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using testing::HasSubstr;
using OrderedJson = nlohmann::ordered_json;


std::string Variables(const OrderedJson& c) {
  OrderedJson all = c.value("variables", OrderedJson::object());
  all["messages"] = c["messages"];
  all["add_generation_prompt"] = c["add_generation_prompt"];
  if (c.contains("tools")) all["tools"] = c["tools"];
  return all.dump();
}

TEST(ChatTemplate, ReplacesAnEmptyTextAsPythonDoesAndWritesNoMoreThanItMay) {
  const auto rendered = [](const std::string& text) { return ChatTemplate(text, "t").Render("{}"); };
  for (const char* form : {"{{ 'h\u00e9' | replace('', '-') }}", "{{ 'h\u00e9'.replace('', '-') }}"}) EXPECT_EQ(rendered(form), "-h-\u00e9-") << form;
  EXPECT_EQ(rendered("{{ '' | replace('', '-') }}"), "-");
  EXPECT_EQ(rendered("{{ 'banana' | replace('an', '') }}"), "ba");
  EXPECT_EQ(rendered("{{ 'abc' | replace(missing, '') }}"), "abc");
  std::string grows = "{% set x = '" + std::string(100, 'a') + "' %}";
  for (int i = 0; i < 8; ++i) grows += "{% set x = x | replace('a', x) %}";
  EXPECT_THAT(DataErrorOf([&] { rendered(grows); }), HasSubstr("more than 16 MiB"));
}

TEST(ChatTemplate, RendersEveryCaseAsJinja) {
  const OrderedJson file = OrderedJson::parse(ReadText(ParityRoot() + "/chat/cases.json"));
  int rendered = 0, raised = 0;
  for (const OrderedJson& c : file["cases"]) {
    const ChatTemplate chat(file["templates"][c["template_name"].get<std::string>()].get<std::string>(), "t");
    if (c.contains("error")) {
      EXPECT_THAT(DataErrorOf([&] { chat.Render(Variables(c)); }), HasSubstr(c["error"].get<std::string>()));
      ++raised;
      continue;
    }
    EXPECT_EQ(chat.Render(Variables(c)), c["rendered"].get<std::string>()) << c["template_name"];
    ++rendered;
  }
  EXPECT_GT(rendered, 50);
  EXPECT_GT(raised, 2);
}

TEST(ChatTemplate, RendersTheConversationsOfEveryTokenizer) {
  const OrderedJson index = OrderedJson::parse(ReadText(ParityRoot() + "/index.json"));
  int rendered = 0;
  for (const OrderedJson& one : index["tokenizers"]) {
    const std::string dir = ParityRoot() + "/" + one["dir"].get<std::string>();
    const OrderedJson cases = OrderedJson::parse(ReadText(dir + "/cases.json"))["chat_cases"], config = OrderedJson::parse(ReadText(dir + "/tokenizer_config.json"));
    const Tokenizer tokenizer = Tokenizer::Load(dir);
    for (const OrderedJson& c : cases) {
      OrderedJson variables = {{"messages", c["messages"]}, {"add_generation_prompt", c["add_generation_prompt"]}};
      for (const char* key : {"bos_token", "eos_token"}) {
        if (config.contains(key)) variables[key] = config[key].is_object() ? config[key]["content"] : config[key];
      }
      EXPECT_EQ(ChatTemplate(tokenizer.chat_template(), dir).Render(variables.dump()), c["rendered"].get<std::string>());
      ++rendered;
    }
  }
  EXPECT_GT(rendered, 30);
}

std::string Render(const std::string& text, const std::string& variables = "{}") { return ChatTemplate(text, "t.json").Render(variables); }
std::string TemplateRefusal(const std::string& text, const std::string& variables = "{}") {
  return DataErrorOf([&] { Render(text, variables); });
}

TEST(ChatTemplate, CountsAndCutsAsPython) {
  EXPECT_EQ(Render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1 + 2 * 3 - 4 }} {{ 1.5 + 1 }} {{ 4 / 2 }}"), "-4 2 3.5 1024 3 2.5 2.0");
  EXPECT_EQ(Render("{{ 'h\u00e9llo'[1] }}{{ 'abc'[::-1] }}{{ 'abcdef'[1:-1:2] }}{{ [1, 2, 3][-1] }}{{ 'x' * 3 }}"), "\u00e9cbabd3xxx");
  EXPECT_EQ(Render("{{ 'abc' * 5 }}{{ 'a' * 0 }}{{ '' * 9 }}{{ 'ab' * -1 }}{{ 2 * 'ab' }}"), "abcabcabcabcabcabab");
  EXPECT_EQ(Render("{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a.b.c'.split('.', 1) }}"), "['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b.c']");
  EXPECT_EQ(Render("{{ [true, none, 1.0, 'it\\'s'] }} {{ {'a': 1} }}"), "[True, None, 1.0, \"it's\"] {'a': 1}");
  EXPECT_EQ(Render("{{ missing }}{{ missing is defined }}{% for x in missing %}x{% else %}none{% endfor %}"), "Falsenone");
}

TEST(ChatTemplate, MacrosNamespacesAndLoopsHaveTheirScopes) {
  EXPECT_EQ(Render("{% macro f(a, b='-') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(1) }}{{ f(2, '+') }}{{ f(b=4, a=3) }}"), "<1-><2+><34>");
  EXPECT_EQ(Render("{% set x = 1 %}{% for i in range(3) %}{% set x = i %}{% endfor %}{{ x }}"), "1");
  EXPECT_EQ(Render("{% set ns = namespace(x=1) %}{% for i in range(3) %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}"), "4");
  EXPECT_EQ(Render("{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{% endif %}{{ i }}{% endfor %}"), "0134");
  EXPECT_EQ(Render("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{{ ',' if not loop.last }}{% endfor %}"), "a1,b2");
  EXPECT_EQ(Render("{% set t %}a{{ 1 }}{% endset %}{{ t }}{{ t }}"), "a1a1");
}

TEST(ChatTemplate, WhatCannotBeReadIsRefusedByNameWithItsLine) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a\n{% include 'x' %}", "t.json: chat template, line 2: the tag 'include' cannot be read"},
      {"{{ x | groupby(1) }}", "the filter 'groupby' cannot be read"}, {"{{ x is escaped }}", "the test 'escaped' cannot be read"},
      {"{{ f(1) }}", "the function 'f' is not known"}, {"{{ 'a'.zfill(2) }}", ".zfill() of 'a' is not known"},
      {"{% if x %}", "{% endif %} is missing"}, {"{% endif %}", "'endif' ends nothing"}, {"{{ 1 + }}", "a value is wanted"},
      {"{{ 'a }}", "a text does not end"}, {"{{ a", "a tag does not end"}, {"{# a", "a comment does not end"}, {"{{ a.b }}", "'a' has no value"},
      {"{{ 'a' + 1 }}", "'+' cannot be done with 'a' and 1"}, {"{{ 1 // 0 }}", "division by zero"}, {"{{ strftime_now('%Y') }}", "wants the variable `now`"},
      {"{% break %}", "break outside of a loop"}, {"{% set a.b = 1 %}", "'a' is no namespace"}, {"{{ raise_exception('no tools') }}", "the chat template says: no tools"}};
  for (const auto& [text, wanted] : cases) EXPECT_THAT(TemplateRefusal(text), HasSubstr(wanted)) << text;
}

TEST(ChatTemplate, NothingHangsOrFillsTheMemory) {
  EXPECT_THAT(TemplateRefusal("{% for a in range(9999999) %}{% endfor %}"), HasSubstr("steps"));
  if (!kSanitized) {
    EXPECT_THAT(TemplateRefusal("{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x{% endfor %}{% endfor %}{% endfor %}"), HasSubstr("steps"));
  }
  EXPECT_THAT(TemplateRefusal("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% if ns.x | length > 99999999 %}{% break %}{% endif %}{{ ns.x }}{% endfor %}"), HasSubstr("16 MiB"));
  EXPECT_THAT(TemplateRefusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("too deep"));
  EXPECT_THAT(TemplateRefusal("{{ " + std::string(100000, '(') + " }}"), HasSubstr("nested too deep"));
  EXPECT_THAT(TemplateRefusal("{{ " + std::string(100000, '-') + "1 }}"), HasSubstr("nested too deep"));
  std::string sum = "{{ 1";
  for (int i = 0; i < 100'000; ++i) sum += " + 1";
  EXPECT_THAT(TemplateRefusal(sum + " }}"), HasSubstr("nested too deep"));
  const auto doubling = [](const std::string& start, const std::string& step) { return "{% set ns = namespace(s=" + start + ") %}{% for i in range(60) %}{% set ns.s = " + step + " %}{% endfor %}{{ ns.s }}"; };
  EXPECT_THAT(TemplateRefusal(doubling("'ab'", "ns.s ~ ns.s")), HasSubstr("a text of more than 16 MiB"));
  EXPECT_THAT(TemplateRefusal(doubling("'ab'", "ns.s + ns.s")), HasSubstr("a text of more than 16 MiB"));
  EXPECT_THAT(TemplateRefusal(doubling("[1]", "ns.s + ns.s")), HasSubstr("a list of more than"));
  if (!kSanitized) {
    EXPECT_THAT(TemplateRefusal(doubling("[1]", "[ns.s, ns.s]")), HasSubstr("a text of more than 16 MiB"));
  }
  EXPECT_THAT(TemplateRefusal("{% set ns = namespace(s=1) %}{% for i in range(9999) %}{% set ns.s = [ns.s] %}{% endfor %}"), HasSubstr("nested deeper than"));
  EXPECT_THAT(TemplateRefusal("{% set ns = namespace(s=[]) %}{% for i in range(9999) %}{% set ns.s = ns.s + ['x' * 9999999] %}{% endfor %}"), HasSubstr("MiB of memory"));
  for (const char* work : {"b == c", "b | length"}) {
    EXPECT_THAT(TemplateRefusal("{% set b = 'ab' * 8000000 %}{% set c = 'ab' * 8000000 %}{% for i in range(1000000) %}{% set x = " + std::string(work) + " %}{% endfor %}"), HasSubstr("too much work")) << work;
  }
  EXPECT_THAT(TemplateRefusal("{% set a = namespace() %}{% set a.a = a %}"), HasSubstr("a namespace cannot be put into a namespace"));
  EXPECT_THAT(TemplateRefusal("{{ a }}", R"({"a": )" + std::string(100'000, '[') + std::string(100'000, ']') + "}"), HasSubstr("nested deeper than"));
}

TEST(ChatTemplate, ArgumentsOfFiltersTestsAndMethodsAreReadOrRefused) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ {'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':'), sort_keys=true) }}", R"({"a":[1,2],"b":1})"},
      {"{{ '\u00e9' | tojson(ensure_ascii=true) }}{{ '\u00e9' | tojson(true) }}{{ '\u00e9' | tojson }}", R"("\u00e9""\u00e9""é")"},
      {"{{ {'a': 1} | tojson(indent='--') }}", "{\n--\"a\": 1\n}"}, {"{{ 'aaa' | replace('a', 'b', 2) }}{{ 'aaa'.replace('a', 'b', 1) }}", "bbabaa"},
      {"{{ 'a b  c'.split(none, 1) }}{{ 'a,b,c'.split(',', maxsplit=1) }}{{ 'a,b,c'.rsplit(',', 1) }}", "['a', 'b  c']['a', 'b,c']['a,b', 'c']"},
      {"{{ 'xax' | trim('x') }}{{ '\uff5ca\u00e9'.strip('\uff5c') }}", "aa\u00e9"}, {"{{ [{'a': 1}, {'a': 2}] | join('+', attribute='a') }}", "1+2"},
      {"{{ [{'a': 1}, {}] | map(attribute='a', default='-') | list }}", "[1, '-']"}, {"{{ 'x' | int(7) }}{{ '42abc' | int }}{{ ' 12 ' | int }}", "7012"},
      {"{{ missing | default(default_value='q') }}", "q"}, {"{{ 'abc'.startswith('b', 1) }}{{ 'abc'.startswith(('x', 'a')) }}", "TrueTrue"},
      {"{{ [{'f': {'n': ['a', 'b']}}] | map(attribute='f.n.1') | first }}", "b"}, {"{{ [[1, 2]] | map(attribute=1) | list }}", "[2]"},
      {"{{ [{'f': {'n': 'a'}}, {'f': {'n': 'b'}}] | selectattr('f.n', '==', 'b') | list | length }}", "1"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(Render(text), wanted) << text;
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"{{ 1 | tojson(foo=1) }}", "the filter 'tojson' takes no argument 'foo'; known: ensure_ascii, indent, separators, sort_keys"},
      {"{{ 'a' | upper(1) }}", "the filter 'upper' takes no arguments"}, {"{{ 'a' | trim('a', 'b') }}", "the filter 'trim' takes at most 1 (chars)"},
      {"{{ 'a' | replace('a') }}", "the filter 'replace' wants a value for 'new'"}, {"{{ 'a'.strip('a', 'b') }}", ".strip() takes at most 1 (chars)"},
      {"{{ 'a' is divisibleby }}", "the test 'divisibleby' wants a value for 'num'"}, {"{{ [1] | map('upper', 3) }}", "the filter 'upper' takes no arguments"},
      {"{{ [1] | map }}", "the filter 'map' wants attribute='...' or the name of a filter"}, {"{{ [1] | select(x) }}", "the name of a test as a text that stands there"},
      {"{% macro f(a) %}{% endmacro %}{{ f(b=1) }}", "macro 'f' takes no argument 'b'"}};
  for (const auto& [text, wanted] : refused) EXPECT_THAT(TemplateRefusal(text), HasSubstr(wanted)) << text;
}

TEST(ChatTemplate, WhatPublishedTemplatesUseIsRead) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{{ ['code_interpreter', 'x'] | reject('equalto', 'code_interpreter') | join(', ') }}", "x"}, {"{{ {'b': 1, 'A': 2} | dictsort }}", "[('A', 2), ('b', 1)]"},
      {"{{ ['a ', ' b'] | map('trim') | join(',') }}{{ [1, 2, 3] | select('odd') | list }}{{ [0, 1] | select | list }}", "a,b[1, 3][1]"},
      {"{{ [3, 1, 2] | sort }}{{ ['b', 'A'] | sort(reverse=true) }}{{ [1, 2] | reverse | list }}{{ ['a', 'A', 'b'] | unique | list }}", "[1, 2, 3]['b', 'A'][2, 1]['a', 'b']"},
      {"{{ '1.5' | float }}{{ -2 | abs }}{{ 'a\nb' | indent(2) }}{{ 'hello wORLD' | title }}", "1.52a\n  bHello World"},
      {"{{ true is sameas true }}{{ 1 is in [1, 3] }}{{ x is eq x }}{{ 3 is gt 2 and true }}", "TrueTrueTrueTrue"},
      {"{{ ','.join(['a', 'b']) }}{{ 'h\u00e9y'.find('y') }}{{ 'ab cd'.title() }}{{ 'a\r\nb'.splitlines() }}", "a,b2Ab Cd['a', 'b']"},
      {R"({{ '\u00e9\x41\d' }})", "\u00e9A\\d"}, {"{% if true +%}\nx{% endif %}", "\nx"}, {"{% for i in 1, 2 %}{{ i }}{% endfor %}", "12"},
      {"{% generation %}a{% generation %}b{% endgeneration %}{% endgeneration %}", "ab"}, {"{{ 1 < 3 < 2 }}{{ 1 < 2 < 3 }}{{ 3 == 3 == true }}", "FalseTrueFalse"},
      {"{{ missing is iterable }}{{ missing is sequence }}{{ missing is mapping }}", "TrueTrueFalse"}, {"{{ -1 | abs }}{{ 2 ** 3 ** 2 }}{{ 2 ** -1 }}", "1640.5"},
      {"{{ (1, 2) }}{{ (1,) }}{{ [1] == (1,) }}{{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }}", "(1, 2)(1,)FalseTrue"}};
  for (const auto& [text, wanted] : cases) EXPECT_EQ(Render(text), wanted) << text;
  EXPECT_EQ(Render("{{ 'a\r\nb' }}{% if true %}\r\nx\r\n{% endif %}\ry\r\n"), "a\nbx\ny");
}

TEST(ChatTemplate, ANamespaceIsOneThingUnderAllItsNames) {
  EXPECT_EQ(Render("{% set a = namespace(x=1) %}{% set b = a %}{% set b.x = 2 %}{{ a.x }}"), "2");
  EXPECT_EQ(Render("{% macro up(n) %}{% set n.x = n.x + 1 %}{% endmacro %}{% set a = namespace(x=1) %}{{ up(a) }}{{ up(a) }}{{ a.x }}"), "3");
  EXPECT_EQ(Render("{% for i in [1, 2] %}{% macro m() %}<{{ i }}>{% endmacro %}{{ m() }}{% endfor %}"), "<1><2>");
}

TEST(ChatTemplate, NamesThatAreAlwaysThereAreDefined) {
  EXPECT_EQ(Render("{{ raise_exception is defined }}{{ namespace is defined }}{{ range is defined }}{{ dict is callable }}{{ strftime_now is defined }}"), "TrueTrueTrueTrueFalse");
  EXPECT_EQ(Render("{{ strftime_now is defined }} {{ strftime_now('%d %b %Y') }}", R"({"now": 1722000000})"), "True 26 Jul 2024");
  EXPECT_EQ(Render("{{ strftime_now('%d %b %Y') }}", R"({"now": "today"})"), "today");
  EXPECT_EQ(Render("{{ dict([['a', 1]], b=2) }}{{ 'x' if loop is defined }}"), "{'a': 1, 'b': 2}");
}

// Each index once copied the whole list: this took minutes.
TEST(ChatTemplate, ALongConversationTakesTimeAsItsLength) {
  OrderedJson messages = OrderedJson::array();
  for (int i = 0; i < 6000; ++i) messages.push_back({{"role", i % 2 == 0 ? "user" : "assistant"}, {"content", std::string(500, 'w')}});
  const std::string text = Render("{% for m in messages %}{% if loop.first or messages[loop.index0 - 1].role != m.role %}{{ messages[loop.index0].content }}{% endif %}{% endfor %}",
                                  OrderedJson{{"messages", messages}}.dump());
  EXPECT_EQ(text.size(), 3'000'000u);
}

}  // namespace
}  // namespace cogent
