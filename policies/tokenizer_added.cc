#include "policies/tokenizer_added.h"

#include <algorithm>

#include "policies/tokenizer_bytes.h"

namespace cogent {
namespace {

bool WordCharTouches(std::string_view text, std::size_t start, std::size_t stop) {
  return (start > 0 && IsWordChar(LastUtf8(text.substr(0, start)).code_point)) ||
         (stop < text.size() && IsWordChar(ReadUtf8(text.substr(stop)).code_point));
}

// `start` moved left over white space, but not beyond `bound`.
std::size_t StripLeft(std::string_view text, std::size_t start, std::size_t bound) {
  while (start > bound) {
    const Utf8Char c = LastUtf8(text.substr(0, start));
    if (!IsSpace(c.code_point)) break;
    start -= c.length;
  }
  return start;
}

std::size_t StripRight(std::string_view text, std::size_t stop) {
  while (stop < text.size()) {
    const Utf8Char c = ReadUtf8(text.substr(stop));
    if (!IsSpace(c.code_point)) break;
    stop += c.length;
  }
  return stop;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedTokenSpec> tokens, NormalizeText normalize) : tokens_(std::move(tokens)), normalize_(std::move(normalize)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const bool changed = tokens_[i].normalized && normalize_;
    const std::string text = changed ? normalize_(tokens_[i].text) : tokens_[i].text;
    (tokens_[i].normalized ? normalized_ : raw_).Insert(text, static_cast<std::int32_t>(i));
    sizes_.push_back(text.size());
  }
}

void AddedTokens::Trie::Insert(std::string_view text, std::int32_t token) {
  if (text.empty()) return;
  starts[static_cast<unsigned char>(text[0])] = true;
  std::uint32_t node = 0;
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    auto& children = nodes[node].children;
    auto at = std::lower_bound(children.begin(), children.end(),
                               std::pair<unsigned char, std::uint32_t>(byte, 0));
    if (at == children.end() || at->first != byte) {
      const auto child = static_cast<std::uint32_t>(nodes.size());
      children.insert(at, {byte, child});
      nodes.emplace_back();
      node = child;
    } else {
      node = at->second;
    }
  }
  nodes[node].token = token;
}

std::int32_t AddedTokens::Trie::Longest(std::string_view text) const {
  std::int32_t found = -1;
  std::uint32_t node = 0;
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    const auto& children = nodes[node].children;
    const auto at = std::lower_bound(children.begin(), children.end(),
                                     std::pair<unsigned char, std::uint32_t>(byte, 0));
    if (at == children.end() || at->first != byte) break;
    node = at->second;
    if (nodes[node].token >= 0) found = nodes[node].token;
  }
  return found;
}

void AddedTokens::Pass(const Trie& trie, std::string_view text, bool at_start,
                       const std::function<void(const AddedPiece&)>& sink) const {
  std::size_t done = 0;  // everything before it was handed out
  for (std::size_t at = 0; at < text.size();) {
    const bool may_start = trie.starts[static_cast<unsigned char>(text[at])];
    const std::int32_t found = may_start ? trie.Longest(text.substr(at)) : -1;
    if (found < 0) {
      ++at;
      continue;
    }
    const AddedTokenSpec& token = tokens_[static_cast<std::size_t>(found)];
    std::size_t start = at;
    std::size_t stop = at + sizes_[static_cast<std::size_t>(found)];
    at = stop;  // a match that is turned down below is not looked into again
    if (token.single_word && WordCharTouches(text, start, stop)) continue;
    if (token.lstrip) start = std::max(done, StripLeft(text, start, std::min(done, start)));
    if (token.rstrip) stop = StripRight(text, stop);
    if (done < start) sink({-1, text.substr(done, start - done), at_start && done == 0});
    sink({token.id, text.substr(std::min(start, stop), stop - std::min(start, stop))});
    done = std::max(done, stop);
  }
  if (done < text.size()) sink({-1, text.substr(done), at_start && done == 0});
}

void AddedTokens::Split(std::string_view text,
                        const std::function<void(const AddedPiece&)>& sink) const {
  Pass(raw_, text, true, [&](const AddedPiece& piece) {
    if (piece.id >= 0) {
      sink(piece);
    } else if (normalize_) {
      Pass(normalized_, normalize_(piece.text), piece.at_start, sink);
    } else {
      Pass(normalized_, piece.text, piece.at_start, sink);
    }
  });
}

}  // namespace cogent
