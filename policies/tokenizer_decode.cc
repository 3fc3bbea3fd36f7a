#include "policies/tokenizer_decode.h"

#include <algorithm>

#include "policies/tokenizer_bytes.h"
#include "policies/tokenizer_normalize.h"

namespace cogent {
namespace {

constexpr std::string_view kReplacementCharacter = "\uFFFD";

std::string Strip(std::string token, const StripStep& strip) {
  std::string_view rest = token;
  for (int i = 0; i < strip.start && !strip.content.empty() && rest.starts_with(strip.content); ++i) rest.remove_prefix(strip.content.size());
  for (int i = 0; i < strip.stop && !strip.content.empty() && rest.ends_with(strip.content); ++i) rest.remove_suffix(strip.content.size());
  return std::string(rest);
}

void FallBack(std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  std::string run;
  const auto end_run = [&] {
    if (run.empty()) return;
    if (IsUtf8(run)) out.push_back(run);
    else for (std::size_t i = 0; i < run.size(); ++i) out.emplace_back(kReplacementCharacter);
    run.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = FallbackByte(token)) {
      run.push_back(static_cast<char>(*byte));
      continue;
    }
    end_run();
    out.push_back(std::move(token));
  }
  end_run();
  tokens = std::move(out);
}

void Join(std::vector<std::string>& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens.assign(1, std::move(all));
}

std::string Unmark(const MetaspaceStep& marks, const std::string& token, bool first) {
  return ReplaceAll(token, marks.replacement, first && marks.prepend_scheme != "never" ? "" : " ");
}

}  // namespace

std::optional<unsigned char> FallbackByte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  unsigned value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + static_cast<unsigned>(digit);
  }
  return static_cast<unsigned char>(value);
}

std::string TokenDecoder::Decode(std::vector<std::string> tokens) const {
  for (const DecoderStep& step : steps_) {
    if (std::holds_alternative<ByteLevelStep>(step)) {
      for (std::string& token : tokens) token = FromStandIns(token);
      Join(tokens);
      tokens[0] = RepairUtf8(tokens[0]);
    } else if (const auto* replace = std::get_if<ReplaceStep>(&step)) {
      for (std::string& token : tokens) token = ReplaceAll(token, replace->pattern, replace->content);
    } else if (std::holds_alternative<ByteFallbackStep>(step)) {
      FallBack(tokens);
    } else if (std::holds_alternative<FuseStep>(step)) {
      Join(tokens);
    } else if (const auto* strip = std::get_if<StripStep>(&step)) {
      for (std::string& token : tokens) token = Strip(std::move(token), *strip);
    } else {
      for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = Unmark(std::get<MetaspaceStep>(step), tokens[i], i == 0);
    }
  }
  Join(tokens);
  return tokens[0];
}

std::string TokenDecoder::One(const std::string& given) const {
  std::string token = given;
  bool joined = false;  // a step behind it is about the whole text
  for (const DecoderStep& step : steps_) {
    if (std::holds_alternative<ByteLevelStep>(step)) return FromStandIns(token);
    if (const auto* replace = std::get_if<ReplaceStep>(&step)) {
      token = ReplaceAll(token, replace->pattern, replace->content);
    } else if (std::holds_alternative<ByteFallbackStep>(step)) {
      if (const auto byte = FallbackByte(token)) return std::string(1, static_cast<char>(*byte));
    } else if (std::holds_alternative<FuseStep>(step)) {
      joined = true;
    } else if (const auto* strip = std::get_if<StripStep>(&step)) {
      if (!joined) token = Strip(std::move(token), *strip);
    } else if (const auto* marks = std::get_if<MetaspaceStep>(&step)) {
      token = Unmark(*marks, token, false);
    }
  }
  return token;
}

TokenDecoder::Leading TokenDecoder::AtStart() const {
  bool joined = false;
  for (const DecoderStep& step : steps_) {
    joined = joined || std::holds_alternative<FuseStep>(step);
    if (const auto* strip = std::get_if<StripStep>(&step); strip != nullptr && joined) return {strip->content, strip->start};
    if (const auto* marks = std::get_if<MetaspaceStep>(&step); marks != nullptr && marks->prepend_scheme != "never") return {" ", 1};
  }
  return {};
}

bool TokenDecoder::FallsBack() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const DecoderStep& step) { return std::holds_alternative<ByteFallbackStep>(step); });
}

}  // namespace cogent
