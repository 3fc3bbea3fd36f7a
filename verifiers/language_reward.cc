// The reward `language` of verifiers/language.h.
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "verifiers/format.h"
#include "verifiers/language.h"

namespace cogent {
namespace {

// The reasoning: from an opening tag, or from the start where the prompt holds that tag already, to
// the closing one. Without such tags what stands between the tokens of the cold-start layout, and
// the whole text where there are none either.
std::string ReasoningOf(std::string_view text) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  const std::size_t open = text.find(kOpen);
  const std::size_t close = text.find(kClose, open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos && close == std::string_view::npos) {
    const auto reasoning = ReasoningInLayout(text);
    return reasoning ? reasoning->text : std::string(text);
  }
  const std::size_t begin = open == std::string_view::npos ? 0 : open + kOpen.size();
  return std::string(text.substr(begin, close == std::string_view::npos ? close : close - begin));
}

bool HasLetterOrDigit(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(reinterpret_cast<const std::uint8_t*>(text.data()), i, text.size(), c);
    if (c >= 0 && u_isalnum(c)) return true;
  }
  return false;
}

std::vector<std::string> Targets() {
  std::vector<std::string> words = {"prompt", "task"};
  words.insert(words.end(), kLanguages.begin(), kLanguages.end() - 1);
  return words;
}

class LanguageReward final : public Reward {
 public:
  struct Config {
    std::string target = "prompt";
    std::string part = "reasoning";
    double no_words = 1.0;
    void VisitFields(FieldVisitor& visit) {
      visit("target", target,
            "the language wanted: a code, `prompt` for the prompt's main language, `task` for the "
            "task's fact `language`",
            OneOf(Targets()));
      visit("part", part, "what is measured: the reasoning, in tags or between the tokens of the cold-start layout, or the whole completion",
            OneOf{"reasoning", "completion"});
      visit("no_words", no_words,
            "the score of formulas without a word, in which nothing is in a wrong language; 0 asks for "
            "words. A text without any letter or digit always gets 0",
            {0.0, 1.0});
    }
  };
  explicit LanguageReward(const Config& config) : config_(config) {}

  Verdict Score(const Task& task, const Completion& completion) const override {
    const std::string part = config_.part == "reasoning" ? ReasoningOf(completion.text) : completion.text;
    const LanguageCounts counts = CountLanguages(part);
    if (counts.total == 0) return HasLetterOrDigit(part) ? Verdict{config_.no_words, "no words"} : Verdict{0.0, "nothing"};
    const std::size_t target = Target(task, counts);
    const int right = counts.words[target];
    return {static_cast<double>(right) / counts.total,
            std::to_string(right) + " of " + std::to_string(counts.total) + " words in " +
                std::string(kLanguages[target])};
  }

 private:
  // Where the prompt has no words, one language throughout is all that can be asked for.
  std::size_t Target(const Task& task, const LanguageCounts& counts) const {
    if (config_.target == "prompt") {
      const LanguageCounts asked = CountLanguages(task.prompt);
      return MainOf(asked.total > 0 ? asked : counts);
    }
    if (config_.target != "task") return LanguageIndex(config_.target);
    const auto it = task.facts.find("language");
    const std::size_t index =
        it == task.facts.end() ? kLanguages.size() : LanguageIndex(it->second);
    if (index == kLanguages.size()) {
      throw DataError("reward 'language': the task's fact 'language' is " +
                      (it == task.facts.end() ? "missing" : "'" + it->second + "'") + "; one of " +
                      LanguageList() + " is wanted, or set the reward's target");
    }
    return index;
  }

  Config config_;
};

}  // namespace

void RegisterLanguageReward(RewardRegistry& rewards) {
  rewards.Add<LanguageReward>(
      "language", "pays the share of the reasoning's words that are in the language asked for");
}

}  // namespace cogent
