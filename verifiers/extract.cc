#include "verifiers/extract.h"

#include <array>
#include <cstddef>
#include <vector>

#include "core/ascii.h"
#include "core/scalar.h"

namespace cogent {
namespace {

enum class TagName { kThink, kAnswer };

// A tag as it stands in the text: [begin, end) includes the angle brackets.
struct Tag {
  TagName name = TagName::kThink;
  bool closing = false;
  bool exact = false;  // lower case, nothing between the brackets but the name and its slash
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

bool ConsumeWord(std::string_view text, std::size_t& at, std::string_view word) {
  if (text.size() - at < word.size()) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if ((text[at + i] | 0x20) != word[i]) return false;
  }
  at += word.size();
  return true;
}

// Reads the tag whose `<` stands at `begin`.
std::optional<Tag> ReadTag(std::string_view text, std::size_t begin) {
  Tag tag{.begin = begin};
  std::size_t at = SkipSpaces(text, begin + 1);
  if (at < text.size() && text[at] == '/') {
    tag.closing = true;
    at = SkipSpaces(text, at + 1);
  }
  if (ConsumeWord(text, at, "think")) {
    tag.name = TagName::kThink;
  } else if (ConsumeWord(text, at, "answer")) {
    tag.name = TagName::kAnswer;
  } else {
    return std::nullopt;
  }
  at = SkipSpaces(text, at);
  if (at == text.size() || text[at] != '>') return std::nullopt;
  tag.end = at + 1;
  const std::string_view opening = tag.name == TagName::kThink ? "<think>" : "<answer>";
  const std::string_view closing = tag.name == TagName::kThink ? "</think>" : "</answer>";
  tag.exact = text.substr(begin, tag.end - begin) == (tag.closing ? closing : opening);
  return tag;
}

// Calls take(tag) for each tag from left to right, until it says false.
template <typename Take>
void EachTag(std::string_view text, const Take& take) {
  std::size_t at = text.find('<');
  while (at != std::string_view::npos) {
    const auto tag = ReadTag(text, at);
    if (tag && !take(*tag)) return;
    at = text.find('<', tag ? tag->end : at + 1);
  }
}

std::vector<Tag> FindTags(std::string_view text) {
  std::vector<Tag> tags;
  EachTag(text, [&](const Tag& tag) {
    tags.push_back(tag);
    return true;
  });
  return tags;
}

// Contents of the complete \boxed{} that stand in no other complete one, in order. One pass with a
// stack of open braces, so that a million unclosed boxes cost no more than their length.
std::vector<Range> FindBoxes(std::string_view text) {
  struct Open {
    std::size_t begin;  // of the content
    bool box;
  };
  constexpr std::string_view kBox = "\\boxed";
  std::vector<Open> open;
  std::vector<Range> boxes;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\\') {
      if (text.substr(at, kBox.size()) == kBox) {
        const std::size_t brace = SkipSpaces(text, at + kBox.size());
        if (brace < text.size() && text[brace] == '{') {
          open.push_back({brace + 1, true});
          at = brace;
          continue;
        }
      }
      ++at;  // an escaped character, as in \{, opens and closes nothing
    } else if (c == '{') {
      open.push_back({at + 1, false});
    } else if (c == '}' && !open.empty()) {
      if (open.back().box) {
        while (!boxes.empty() && boxes.back().begin > open.back().begin) boxes.pop_back();
        boxes.push_back({open.back().begin, at});
      }
      open.pop_back();
    }
  }
  return boxes;
}

std::string_view Slice(std::string_view text, Range range) {
  return TrimAscii(text.substr(range.begin, range.end - range.begin));
}

std::optional<std::string> NonEmpty(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return std::string(text);
}

// What an answer part gives: its only box, or its text.
std::string_view PartContent(std::string_view part) {
  const std::vector<Range> boxes = FindBoxes(part);
  return boxes.size() == 1 ? Slice(part, boxes.front()) : TrimAscii(part);
}

// Where the text behind the reasoning begins; nothing when reasoning is left open.
std::optional<std::size_t> ReasoningEnd(const std::vector<Tag>& tags) {
  std::size_t end = 0;
  bool open = false;
  for (const Tag& tag : tags) {
    if (tag.name != TagName::kThink) continue;
    open = !tag.closing;
    if (tag.closing) end = tag.end;
  }
  if (open) return std::nullopt;
  return end;
}

// True for text of nothing but white space, the common wide and no-break spaces of UTF-8 included.
bool IsBlank(std::string_view text) {
  constexpr std::string_view kWide[] = {"\u00A0", "\u2002", "\u2003", "\u2009", "\u200B",
                                        "\u202F", "\u2060", "\u3000", "\uFEFF"};
  while (!text.empty()) {
    if (IsSpace(text.front())) {
      text.remove_prefix(1);
      continue;
    }
    bool found = false;
    for (const std::string_view wide : kWide) {
      if (!text.starts_with(wide)) continue;
      text.remove_prefix(wide.size());
      found = true;
      break;
    }
    if (!found) return false;
  }
  return true;
}

}  // namespace

std::string_view TrimAscii(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool FormatOk(std::string_view completion) {
  const std::string_view text = TrimAscii(completion);
  if (!text.starts_with("<think>") || !text.ends_with("</answer>")) return false;
  std::array<Tag, 4> tags;
  std::size_t count = 0;  // five are as bad as more
  EachTag(text, [&](const Tag& tag) {
    if (count < tags.size()) tags[count] = tag;
    return ++count <= tags.size();
  });
  if (count != tags.size()) return false;
  const bool order = tags[0].name == TagName::kThink && !tags[0].closing &&
                     tags[1].name == TagName::kThink && tags[1].closing &&
                     tags[2].name == TagName::kAnswer && !tags[2].closing &&
                     tags[3].name == TagName::kAnswer && tags[3].closing;
  if (!order || tags[0].begin != 0 || tags[3].end != text.size()) return false;
  for (const Tag& tag : tags) {
    if (!tag.exact) return false;
  }
  const auto between = [&](std::size_t left, std::size_t right) {
    return text.substr(tags[left].end, tags[right].begin - tags[left].end);
  };
  return TrimAscii(between(1, 2)).empty() && !IsBlank(between(0, 1)) && !IsBlank(between(2, 3));
}

std::optional<std::string> AfterReasoning(std::string_view completion) {
  const auto begin = ReasoningEnd(FindTags(completion));
  if (!begin) return std::nullopt;
  return std::string(completion.substr(*begin));
}

bool HasAnswerTag(std::string_view text) {
  for (const Tag& tag : FindTags(text)) {
    if (tag.name == TagName::kAnswer) return true;
  }
  return false;
}

std::optional<ReasoningPart> Reasoning(std::string_view completion) {
  std::optional<std::size_t> begin;
  for (const Tag& tag : FindTags(completion)) {
    if (tag.name != TagName::kThink) continue;
    if (begin && tag.closing) {
      return ReasoningPart{std::string(completion.substr(*begin, tag.begin - *begin)), true};
    }
    if (!begin && !tag.closing) begin = tag.end;
  }
  if (!begin) return std::nullopt;
  return ReasoningPart{std::string(completion.substr(*begin)), false};
}

Extraction Extract(std::string_view completion) {
  const std::vector<Tag> tags = FindTags(completion);
  const auto begin = ReasoningEnd(tags);
  if (!begin) return {};

  std::optional<std::string_view> content;
  const Tag* open = nullptr;
  for (const Tag& tag : tags) {
    if (tag.name != TagName::kAnswer || tag.begin < *begin) continue;
    if (tag.closing && open) {
      const auto part = PartContent(completion.substr(open->end, tag.begin - open->end));
      if (content && *content != part) return {};
      content = part;
    }
    open = tag.closing ? nullptr : &tag;
  }
  if (content) {
    if (content->empty()) return {};
    return {AnswerPlace::kAnswerPart, NonEmpty(*content)};
  }

  const std::string_view rest = completion.substr(*begin);
  const std::vector<Range> boxes = FindBoxes(rest);
  if (boxes.empty() || Slice(rest, boxes.back()).empty()) return {};
  return {AnswerPlace::kBox, NonEmpty(Slice(rest, boxes.back()))};
}

std::string OneShortLine(std::string_view text) {
  constexpr std::size_t kLongest = 60;
  std::string line(Beginning(text, kLongest));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text.size() > kLongest ? line + ".." : line;
}

}  // namespace cogent
