#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.h"
#include "experiments/cli.h"
#include "experiments/commands.h"
#include "experiments/completion.h"

namespace cogent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ParsedLine Parse(const std::vector<std::string>& words) { return ParseCommandLine("cogent", words); }

void ExpectMistake(const std::vector<std::string>& words, const std::string& what) {
  const ParsedLine line = Parse(words);
  EXPECT_FALSE(line.command.has_value()) << what;
  EXPECT_EQ(line.exit_code, 2);
  EXPECT_THAT(line.text, HasSubstr(what));
}

TEST(CommandLine, TrainTakesAFileOverridesAndOptionsInAnyOrder) {
  const ParsedLine line = Parse({"train", "--name", "x", "r1.yaml", "seed=3", "--dry-run", "a.b=[1, 2]", "-q"});
  ASSERT_TRUE(line.command) << line.text;
  EXPECT_EQ(line.command->name, "train");
  EXPECT_THAT(line.command->arguments, ElementsAre("r1.yaml", "seed=3", "a.b=[1, 2]"));
  EXPECT_EQ(line.command->Get("name"), "x");
  EXPECT_TRUE(line.command->Has("dry-run"));
  EXPECT_TRUE(line.command->Has("quiet"));
  EXPECT_FALSE(line.command->Has("resume"));
}

TEST(CommandLine, ResumeAloneMeansTheLatestAndDoesNotSwallowTheFile) {
  const ParsedLine bare = Parse({"train", "--resume", "r1.yaml"});
  ASSERT_TRUE(bare.command) << bare.text;
  EXPECT_EQ(bare.command->Get("resume"), "latest");
  EXPECT_THAT(bare.command->arguments, ElementsAre("r1.yaml"));
  const ParsedLine step = Parse({"train", "r1.yaml", "--resume=120"});
  ASSERT_TRUE(step.command) << step.text;
  EXPECT_EQ(step.command->Get("resume"), "120");
  ExpectMistake({"train", "r1.yaml", "--resume="}, "'--resume=' has no value; write --resume[=latest|N|DIR]");
}

TEST(CommandLine, AFlagMayBeSetToFalse) {
  const ParsedLine off = Parse({"train", "r1.yaml", "--dry-run=false", "--quiet=true"});
  ASSERT_TRUE(off.command) << off.text;
  EXPECT_FALSE(off.command->Has("dry-run"));
  EXPECT_TRUE(off.command->Has("quiet"));
  ExpectMistake({"train", "r1.yaml", "--dry-run=maybe"}, "maybe");
}

TEST(CommandLine, EvalHasTheShortOptionsOfTheField) {
  const ParsedLine line = Parse({"eval", "runs/a", "-n", "100", "-r8", "-k", "1,8", "-T", "0.7"});
  ASSERT_TRUE(line.command) << line.text;
  EXPECT_EQ(line.command->Get("tasks"), "100");
  EXPECT_EQ(line.command->Get("rollouts"), "8");
  EXPECT_EQ(line.command->Get("k"), "1,8");
  EXPECT_EQ(line.command->Get("temperature"), "0.7");
}

TEST(CommandLine, CommandsOfTwoWordsAreFound) {
  const ParsedLine line = Parse({"model", "describe", "config.json"});
  ASSERT_TRUE(line.command) << line.text;
  EXPECT_EQ(line.command->name, "model describe");
  EXPECT_THAT(line.command->arguments, ElementsAre("config.json"));
}

TEST(CommandLine, AnUnknownCommandIsAMistakeWithTheNearestOne) {
  ExpectMistake({"trian", "a.yaml"}, "unknown command 'trian'. Did you mean 'train'?");
  ExpectMistake({"model", "descirbe"}, "unknown command 'model descirbe'. Did you mean 'describe'?");
  ExpectMistake({"model"}, "needs a second word. Known: describe, forward");
  ExpectMistake({"--verison"}, "unknown option '--verison'");
}

TEST(CommandLine, AnUnknownOptionIsAMistakeWithTheNearestOne) {
  ExpectMistake({"train", "a.yaml", "--resmue"}, "unknown option '--resmue' of 'train'. Did you mean '--resume'?");
  ExpectMistake({"generate", "--model", ".", "--tmeperature=1"}, "Did you mean '--temperature'?");
  ExpectMistake({"train", "a.yaml", "-z"}, "-z");
}

TEST(CommandLine, MissingWordsAreNamed) {
  ExpectMistake({"train"}, "CONFIG");
  ExpectMistake({"generate", "--prompt", "x"}, "--model");
  ExpectMistake({"model", "forward", "--model", "."}, "--input");
  ExpectMistake({"show"}, "NAME-or-CONFIG.yaml");
}

TEST(CommandLine, ARequiredWordThatIsEmptyIsRefusedByItsNameInEveryCommand) {
  int refused = 0;
  for (const CommandSpec& spec : CommandTable()) {
    for (std::size_t i = 0; i < spec.words.size(); ++i) {
      if (!spec.words[i].required) continue;
      const std::size_t space = spec.name.find(' ');
      std::vector<std::string> words = {spec.name.substr(0, space)};
      if (space != std::string::npos) words.push_back(spec.name.substr(space + 1));
      for (std::size_t j = 0; j < i; ++j) words.push_back("x");
      words.push_back("");
      SCOPED_TRACE(spec.name);
      ExpectMistake(words, spec.words[i].name + ": this word is empty");
      ++refused;
    }
  }
  EXPECT_GE(refused, 18);
  ExpectMistake({"compare", "runs/a", ""}, "RUN: this word is empty");
  ExpectMistake({"list", ""}, "KIND: this word is empty");
  ExpectMistake({"train", "a.yaml", ""}, "'' is not a setting");
}

TEST(CommandLine, ValuesAreCheckedBeforeAnythingRuns) {
  ExpectMistake({"eval", "a", "-n", "0"}, "from 1 on is wanted, not '0'");
  ExpectMistake({"eval", "a", "-n", "12x"}, "not '12x'");
  ExpectMistake({"eval", "a", "-k", "1,,8"}, "not '1,,8'");
  ExpectMistake({"eval", "a", "-T", "nan"}, "a number from 0 to 1000000 is wanted");
  ExpectMistake({"generate", "-m", ".", "--top-p", "1.5"}, "at most 1");
  ExpectMistake({"generate", "-m", ".", "--max-thinking-tokens", "-1"}, "from 0 to 18446744073709551615 is wanted");
  ExpectMistake({"generate", "-m", "/no/such/folder"}, "there is no '/no/such/folder'");
  ExpectMistake({"list", "reward"}, "Did you mean 'rewards'?");
}

TEST(CommandLine, AWordThatIsNoSettingIsAMistake) {
  ExpectMistake({"train", "a.yaml", "b.yaml"}, "'b.yaml' is not a setting; write key=value");
  ExpectMistake({"train", "a.yaml", "=3"}, "'=3' is not a setting");
}

TEST(CommandLine, OptionsThatContradictEachOtherAreAMistake) {
  ExpectMistake({"eval", "a", "--greedy", "-T", "1"}, "excludes");
  ExpectMistake({"generate", "-m", ".", "-p", "x", "--env", "signs"}, "excludes");
}

TEST(CommandLine, APromptMayStandAsAWord) {
  const ParsedLine line = Parse({"generate", "--model", ".", "What is the capital of France?", "-T", "0"});
  ASSERT_TRUE(line.command) << line.text;
  EXPECT_THAT(line.command->arguments, ElementsAre("What is the capital of France?"));
  ExpectMistake({"generate", "--model", ".", "two", "words"}, "words");
}

TEST(CommandLine, BenchPassesItsWordsOnUntouched) {
  const ParsedLine line = Parse({"bench", "--batch=16", "x", "-q"});
  ASSERT_TRUE(line.command) << line.text;
  EXPECT_THAT(line.command->arguments, ElementsAre("--batch=16", "x", "-q"));
}

TEST(CommandLine, EveryCommandHasHelpWithItsSummaryItsOptionsAndAnExample) {
  const std::string program_help = Parse({"--help"}).text;
  for (const CommandSpec& spec : CommandTable()) {
    std::vector<std::string> words = {spec.name.substr(0, spec.name.find(' '))};
    if (spec.name.find(' ') != std::string::npos) words.push_back(spec.name.substr(spec.name.find(' ') + 1));
    words.push_back("--help");
    const ParsedLine line = Parse(words);
    EXPECT_EQ(line.exit_code, 0) << spec.name;
    EXPECT_THAT(line.text, HasSubstr(spec.summary));
    EXPECT_THAT(line.text, HasSubstr("Examples\n  cogent " + spec.name));
    for (const OptionSpec& option : spec.options) EXPECT_THAT(line.text, HasSubstr("--" + option.name));
    EXPECT_THAT(program_help, HasSubstr(spec.name));
  }
}

// The examples in the help are lines that parse, but for those that need files of a run.
TEST(CommandLine, ExamplesOfTheHelpParse) {
  for (const CommandSpec& spec : CommandTable()) {
    for (const ExampleSpec& example : spec.examples) {
      std::vector<std::string> words;
      std::string word;
      bool quoted = false;
      for (const char c : example.line + " ") {
        if (c == '\'') {
          quoted = !quoted;
        } else if (c != ' ' || quoted) {
          word += c;
        } else if (!word.empty()) {
          words.push_back(word);
          word.clear();
        }
        if (c == '>') break;
      }
      if (!words.empty() && words.back() == ">") words.pop_back();
      const ParsedLine line = Parse(words);
      if (!line.command) {
        EXPECT_THAT(line.text, HasSubstr("there is no '")) << example.line;
      }
    }
  }
}

TEST(CommandLine, HelpListsTheEnvironmentAndTheExitCodes) {
  const std::string text = Parse({"--help"}).text;
  for (const char* word : {"COGENT_LOG_LEVEL", "COGENT_SEED", "NO_COLOR", "Exit codes", "130"}) {
    EXPECT_THAT(text, HasSubstr(word));
  }
  EXPECT_EQ(Parse({"help", "train"}).text, Parse({"train", "--help"}).text);
  EXPECT_EQ(Parse({}).exit_code, 2);
  EXPECT_EQ(Parse({}).text, text);
}

TEST(CommandLine, HelpBearsTheNameOfTheProgram) {
  EXPECT_THAT(ParseCommandLine("reverse", {"train", "--help"}).text, HasSubstr("reverse train"));
  EXPECT_THAT(ParseCommandLine("reverse", {"trian"}).text, Not(HasSubstr("cogent")));
}

TEST(CommandLine, TheSeedVariableYieldsToTheCommandLine) {
  Command train{"train", {"a.yaml", "x=1"}, {}};
  ApplySeedVariable(train, "7");
  EXPECT_THAT(train.arguments, ElementsAre("a.yaml", "x=1", "seed=7"));
  Command given{"train", {"a.yaml", "seed=1"}, {}};
  ApplySeedVariable(given, "7");
  EXPECT_THAT(given.arguments, ElementsAre("a.yaml", "seed=1"));
  Command generate{"generate", {}, {{"seed", "2"}}};
  Command chat{"chat", {}, {}};
  ApplySeedVariable(chat, "7");
  EXPECT_EQ(chat.Get("seed"), "7");
  ApplySeedVariable(generate, "7");
  EXPECT_EQ(generate.Get("seed"), "2");
  for (const std::string name : {"serve", "pairs", "play"}) {
    Command other{name, {}, {}};
    ApplySeedVariable(other, "7");
    EXPECT_EQ(other.Get("seed"), "7") << name;
  }
  Command list{"list", {}, {}};
  ApplySeedVariable(list, "7");
  EXPECT_TRUE(list.options.empty());
  ApplySeedVariable(list, nullptr);
  EXPECT_THROW(ApplySeedVariable(train, "seven"), ConfigError);
}

TEST(Completion, KnowsEveryCommandAndOption) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell, "cogent");
    for (const CommandSpec& spec : CommandTable()) {
      EXPECT_THAT(script, HasSubstr(spec.name.substr(0, spec.name.find(' ')))) << shell;
      for (const OptionSpec& option : spec.options) EXPECT_THAT(script, HasSubstr(option.name)) << shell;
    }
  }
  EXPECT_THROW(CompletionScript("csh", "cogent"), ConfigError);
}

TEST(Completion, BashRunsTheScriptAndCompletes) {
  const std::string script = testing::TempDir() + "/cogent_completion.bash";
  FILE* file = std::fopen(script.c_str(), "w");
  ASSERT_NE(file, nullptr);
  std::fputs(CompletionScript("bash", "cogent").c_str(), file);
  std::fputs("\nCOMP_WORDS=(cogent tr); COMP_CWORD=1; _cogent_words; test \"${COMPREPLY[*]}\" = train || exit 1"
             "\nCOMP_WORDS=(cogent train --dr); COMP_CWORD=2; _cogent_words; test \"${COMPREPLY[0]}\" = --dry-run\n", file);
  std::fclose(file);
  EXPECT_EQ(std::system(("bash '" + script + "'").c_str()), 0);
}

TEST(CommandLine, AblateTakesAFileWithSettingsAndANumberOfJobs) {
  const ParsedLine line = Parse({"ablate", "a.yaml", "ablate.seeds=[1, 2]", "-j", "3", "--dry-run"});
  ASSERT_TRUE(line.command) << line.text;
  EXPECT_THAT(line.command->arguments, ElementsAre("a.yaml", "ablate.seeds=[1, 2]"));
  EXPECT_EQ(line.command->Get("jobs"), "3");
  EXPECT_TRUE(line.command->Has("dry-run"));
  EXPECT_FALSE(Parse({"ablate", "a.yaml", "--jobs", "0"}).command);
  EXPECT_FALSE(Parse({"ablate"}).command);
}

TEST(CommandLine, CompareTakesAnyNumberOfRuns) {
  const ParsedLine line = Parse({"compare", "runs/a", "runs/b*", "--against", "a", "--metric", "mean_length"});
  ASSERT_TRUE(line.command) << line.text;
  EXPECT_THAT(line.command->arguments, ElementsAre("runs/a", "runs/b*"));
  EXPECT_EQ(line.command->Get("against"), "a");
  EXPECT_FALSE(Parse({"compare"}).command);
}

}  // namespace
}  // namespace cogent
