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
using Json = nlohmann::ordered_json;

std::string Root() {
  const char* other = std::getenv("COGENT_PARITY");
  return other != nullptr ? other : Stored("parity");
}

std::string Variables(const Json& c) {
  Json all = c.value("variables", Json::object());
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
  const Json file = Json::parse(ReadText(Root() + "/chat/cases.json"));
  int rendered = 0, raised = 0;
  for (const Json& c : file["cases"]) {
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
  const Json index = Json::parse(ReadText(Root() + "/index.json"));
  int rendered = 0;
  for (const Json& one : index["tokenizers"]) {
    const std::string dir = Root() + "/" + one["dir"].get<std::string>();
    const Json cases = Json::parse(ReadText(dir + "/cases.json"))["chat_cases"], config = Json::parse(ReadText(dir + "/tokenizer_config.json"));
    const Tokenizer tokenizer = Tokenizer::Load(dir);
    for (const Json& c : cases) {
      Json variables = {{"messages", c["messages"]}, {"add_generation_prompt", c["add_generation_prompt"]}};
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
std::string Refusal(const std::string& text, const std::string& variables = "{}") {
  return DataErrorOf([&] { Render(text, variables); });
}

TEST(ChatTemplate, CountsAndCutsAsPython) {
  EXPECT_EQ(Render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1 + 2 * 3 - 4 }} {{ 1.5 + 1 }} {{ 4 / 2 }}"), "-4 2 3.5 1024 3 2.5 2.0");
  EXPECT_EQ(Render("{{ 'h\u00e9llo'[1] }}{{ 'abc'[::-1] }}{{ 'abcdef'[1:-1:2] }}{{ [1, 2, 3][-1] }}{{ 'x' * 3 }}"), "\u00e9cbabd3xxx");
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
      {"{{ x | sort }}", "the filter 'sort' cannot be read"}, {"{{ x is divisibleby 3 }}", "the test 'divisibleby' cannot be read"},
      {"{{ f(1) }}", "the function 'f' is not known"}, {"{{ 'a'.title() }}", ".title() of 'a' is not known"},
      {"{% if x %}", "{% endif %} is missing"}, {"{% endif %}", "'endif' ends nothing"}, {"{{ 1 + }}", "a value is wanted"},
      {"{{ 'a }}", "a text does not end"}, {"{{ a", "a tag does not end"}, {"{# a", "a comment does not end"}, {"{{ a.b }}", "'a' has no value"},
      {"{{ 'a' + 1 }}", "'+' cannot be done with 'a' and 1"}, {"{{ 1 // 0 }}", "division by zero"}, {"{{ strftime_now('%Y') }}", "wants the variable `now`"},
      {"{% break %}", "break outside of a loop"}, {"{% set a.b = 1 %}", "'a' is no namespace"}, {"{{ raise_exception('no tools') }}", "the chat template says: no tools"}};
  for (const auto& [text, wanted] : cases) EXPECT_THAT(Refusal(text), HasSubstr(wanted)) << text;
}

TEST(ChatTemplate, NothingHangsOrFillsTheMemory) {
  EXPECT_THAT(Refusal("{% for a in range(9999999) %}{% endfor %}"), HasSubstr("steps"));
  EXPECT_THAT(Refusal("{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}x{% endfor %}{% endfor %}{% endfor %}"), HasSubstr("steps"));
  EXPECT_THAT(Refusal("{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(40) %}{% set ns.x = ns.x + ns.x %}{% if ns.x | length > 99999999 %}{% break %}{% endif %}{{ ns.x }}{% endfor %}"), HasSubstr("16 MiB"));
  EXPECT_THAT(Refusal("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), HasSubstr("too deep"));
  EXPECT_THAT(Refusal("{{ " + std::string(100000, '(') + " }}"), HasSubstr("nested too deep"));
  EXPECT_THAT(Refusal("{{ " + std::string(100000, '-') + "1 }}"), HasSubstr("nested too deep"));
}

}  // namespace
}  // namespace cogent
