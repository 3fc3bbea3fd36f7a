// Encoding and decoding, one thread, and text that is meant to be slow.
//
//   build/free/tokenizer_bench TOKENIZER TEXT-FILE        # TOKENIZER: a tokenizer.json, a checkpoint or a GGUF file
//
// The text is cut into pieces of 2,000 bytes, as benchmarks/peers/tokenizer_rate.py cuts it. Processor time of this thread; the
// best of five.
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"
#include "policies/tokenizer.h"

namespace {

double ThreadSeconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double Best(int rounds, const std::function<void()>& work) {
  double best = 1e30;
  for (int i = 0; i < rounds; ++i) {
    const double begin = ThreadSeconds();
    work();
    best = std::min(best, ThreadSeconds() - begin);
  }
  return best;
}

void Run(const std::string& tokenizer_path, const std::string& text_path) {
  const cogent::Tokenizer tokenizer = cogent::Tokenizer::Load(tokenizer_path);
  const std::string text = cogent::ReadFile(text_path);
  std::vector<std::string> pieces;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(at + 2000, text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
    pieces.push_back(text.substr(at, end - at));
    at = end;
  }
  std::vector<std::vector<std::int32_t>> ids(pieces.size());
  std::size_t tokens = 0, shown = 0;
  const double encode = Best(5, [&] {
    for (std::size_t i = 0; i < pieces.size(); ++i) ids[i] = tokenizer.Encode(pieces[i]);
  });
  for (const auto& one : ids) tokens += one.size();
  const double decode = Best(5, [&] {
    shown = 0;
    for (const auto& one : ids) shown += tokenizer.Decode(one).size();
  });
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  fmt::print("encode {:.1f} MB/s, decode {:.1f} MB/s; {:.1f} MB, {} tokens, {} bytes decoded\n", megabytes / encode, megabytes / decode, megabytes, tokens, shown);
  constexpr std::size_t kMegabyte = 1 << 20;
  for (const auto& [name, piece] : std::vector<std::pair<std::string, std::string>>{{"one letter", "a"}, {"spaces", " "}, {"combining marks", "\u0301"}, {"line breaks", "\n"}, {"digits", "7"}}) {
    std::string hostile;
    while (hostile.size() < kMegabyte) hostile += piece;
    const std::string half = hostile.substr(0, hostile.size() / 2 / piece.size() * piece.size());
    const double whole_time = Best(3, [&] { tokenizer.Encode(hostile); }), half_time = Best(3, [&] { tokenizer.Encode(half); });
    fmt::print("a megabyte of {}: {:.0f} ms, half of it {:.0f} ms\n", name, 1e3 * whole_time, 1e3 * half_time);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) throw cogent::ConfigError("two words are wanted");
  Run(argv[1], argv[2]);
  return 0;
} catch (const std::exception& error) {
  fmt::print(stderr, "tokenizer_bench: {}\nUsage: tokenizer_bench TOKENIZER TEXT-FILE\n", error.what());
  return 2;
}
