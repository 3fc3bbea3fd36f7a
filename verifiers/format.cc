#include "verifiers/format.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "verifiers/extract.h"

namespace cogent {
namespace {

// Something to be seen: neither white space nor a character without a shape, such as a zero-width
// space.
bool HasInk(std::string_view text) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c = 0;
    U8_NEXT(bytes, i, text.size(), c);
    if (c < 0 || (c < 0x80 ? c > ' ' && c < 0x7F : u_isgraph(c))) return true;
  }
  return false;
}

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool IsBlankByte(char c) { return c == ' ' || c == '\t'; }

struct TokenRange {
  std::size_t begin = 0, end = 0;
};

// The end of the token that begins at `begin`; nothing when it does not. Leniently, case does not
// matter and the text may have spaces that the token has not.
std::optional<std::size_t> TokenEnd(std::string_view text, std::size_t begin,
                                    std::string_view token, bool lenient) {
  if (!lenient)
    return text.substr(begin).starts_with(token) ? std::optional(begin + token.size())
                                                 : std::nullopt;
  std::size_t at = begin;
  for (std::size_t i = 0; i < token.size(); ++i, ++at) {
    while (i > 0 && at < text.size() && IsBlankByte(text[at]) && text[at] != token[i] &&
           at - begin < 2 * token.size())
      ++at;
    if (at >= text.size() || Lower(text[at]) != Lower(token[i])) return std::nullopt;
  }
  return at;
}

// Where the token stands, left to right, three at most: more are as bad as three.
std::vector<TokenRange> FindTokens(std::string_view text, std::string_view token, bool lenient) {
  std::vector<TokenRange> found;
  if (token.empty()) return found;
  const char first[] = {token[0], Lower(token[0]), 0};
  for (std::size_t at = 0; found.size() < 3;) {
    at = lenient ? text.find_first_of(first, at) : text.find(token, at);
    if (at == std::string_view::npos) break;
    const auto end = TokenEnd(text, at, token, lenient);
    if (end) found.push_back({at, *end});
    at = end ? *end : at + 1;
  }
  return found;
}

constexpr std::string_view kLabel = "Summary:";

std::string_view WithoutLabel(std::string_view summary) {
  summary = TrimAscii(summary);
  bool same = summary.size() >= kLabel.size();
  for (std::size_t i = 0; same && i < kLabel.size(); ++i)
    same = Lower(summary[i]) == Lower(kLabel[i]);
  return same ? TrimAscii(summary.substr(kLabel.size())) : summary;
}

bool IsColdStart(std::string_view completion, const FormatOptions& options) {
  const std::string_view text = TrimAscii(completion);
  const auto tokens = FindTokens(text, options.token, options.lenient);
  if (tokens.size() != 2) return false;
  const std::string_view behind = TrimAscii(text.substr(tokens[1].end));
  const std::string_view summary = WithoutLabel(behind);
  if (!HasInk(text.substr(tokens[0].end, tokens[1].begin - tokens[0].end)) || !HasInk(summary))
    return false;
  if (options.lenient) return true;
  return tokens[0].begin == 0 && behind.starts_with(kLabel) &&
         FindTokens(text, options.token, true).size() == 2 &&
         text.find("<think>") == std::string_view::npos &&
         text.find("</think>") == std::string_view::npos &&
         text.find("<answer>") == std::string_view::npos &&
         text.find("</answer>") == std::string_view::npos;
}

bool IsThinkAnswer(std::string_view completion, bool lenient) {
  if (FormatOk(completion)) return true;
  if (!lenient || Extract(completion).place != AnswerPlace::kAnswerPart) return false;
  const auto reasoning = Reasoning(completion);
  return reasoning && reasoning->closed && HasInk(reasoning->text);
}

class FormatReward final : public Reward {
 public:
  struct Config {
    std::string layout = "think_answer";
    bool lenient = false;
    std::string token = FormatOptions{}.token;
    void VisitFields(FieldVisitor& visit) {
      visit("layout", layout,
            "think_answer: R1-Zero's tags; cold_start: token, reasoning, token, Summary:",
            OneOf{"think_answer", "cold_start"});
      visit("lenient", lenient, "let capitals, inner spaces and text around the parts pass");
      visit("token", token, "the token of the cold-start layout");
    }
    void Validate(Problems& problems, const Node& section) const {
      if (TrimAscii(token).empty())
        problems.Add(section.PlaceOf("token"),
                     "'token' is blank; write the token that parts the reasoning, as " +
                         FormatOptions{}.token);
    }
  };
  explicit FormatReward(const Config& config)
      : options_{config.layout == "cold_start" ? Layout::kColdStart : Layout::kThinkAnswer,
                 config.lenient, config.token} {}
  Verdict Score(const Task&, const Completion& completion) const override {
    if (HasLayout(completion.text, options_)) return {1.0, "well laid out"};
    if (options_.layout == Layout::kThinkAnswer)
      return {0.0, "not <think>..</think> <answer>..</answer>" +
                       std::string(options_.lenient ? "" : " and nothing else")};
    return {0.0, "not " + options_.token + " .. " + options_.token + " Summary: .."};
  }

 private:
  FormatOptions options_;
};

class TagCountReward final : public Reward {
 public:
  struct Config {
    bool newlines = false;
    void VisitFields(FieldVisitor& visit) {
      visit("newlines", newlines, "count tags on lines of their own only, as open-r1 does");
    }
  };
  explicit TagCountReward(const Config& config) : newlines_(config.newlines) {}
  Verdict Score(const Task&, const Completion& completion) const override {
    constexpr std::string_view kTags[] = {"<think>", "</think>", "<answer>", "</answer>"};
    constexpr std::string_view kOnLines[] = {"<think>\n", "\n</think>\n", "\n<answer>\n",
                                             "\n</answer>"};
    int once = 0;
    for (const std::string_view tag : newlines_ ? kOnLines : kTags)
      once += StandsOnce(completion.text, tag);
    return {once / 4.0, std::to_string(once) + " of 4 tags stand once"};
  }

 private:
  static bool StandsOnce(std::string_view text, std::string_view tag) {
    const std::size_t first = text.find(tag);
    return first != std::string_view::npos &&
           text.find(tag, first + tag.size()) == std::string_view::npos;
  }
  bool newlines_;
};

class ExactReward final : public Reward {
 public:
  struct Config {
    void VisitFields(FieldVisitor&) {}
  };
  explicit ExactReward(const Config&) {}
  Verdict Score(const Task& task, const Completion& completion) const override {
    const Extraction found = Extract(completion.text);
    if (!found.text) return {0.0, "no answer"};
    if (*found.text == TrimAscii(task.answer)) return {1.0, "the same text"};
    return {0.0, "another text"};
  }
};

}  // namespace

bool HasLayout(std::string_view completion, const FormatOptions& options) {
  if (options.layout == Layout::kColdStart) return IsColdStart(completion, options);
  return IsThinkAnswer(completion, options.lenient);
}

std::optional<ReasoningPart> ReasoningInLayout(std::string_view completion, const std::string& token) {
  if (auto tagged = Reasoning(completion)) return tagged;
  const std::size_t first = completion.find(token);
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t begin = first + token.size(), end = completion.find(token, begin);
  return ReasoningPart{std::string(completion.substr(begin, end == std::string_view::npos ? end : end - begin)), end != std::string_view::npos};
}

std::optional<std::string> Summary(std::string_view completion, const FormatOptions& options) {
  const auto tokens = FindTokens(completion, options.token, true);
  if (tokens.size() != 2) return std::nullopt;
  const std::string_view summary = WithoutLabel(completion.substr(tokens[1].end));
  return HasInk(summary) ? std::optional(std::string(summary)) : std::nullopt;
}

void RegisterTextRewards(RewardRegistry& rewards) {
  rewards.Add<FormatReward>(
      "format",
      "pays for the layout <think>..</think> <answer>..</answer>, or that of cold-start data");
  rewards.Add<TagCountReward>("tag_count",
                              "pays a quarter for each of the four tags that stands once");
  rewards.Add<ExactReward>("exact", "pays for an answer that is the task's, letter by letter");
}

}  // namespace cogent
