// A test of one's own: the same task for the same id, 1 for the right answer, 0 for others.
#include <cstdio>
#include <cstdlib>

#include "reverse_env.h"

void Expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "failed: %s\n", what);
  std::exit(1);
}

int main() {
  ReverseEnv env(ReverseEnv::Config{.length = 5});
  const cogent::TaskId id{cogent::Split::kTest, 7, 3};
  env.Reset(id);
  const std::string prompt = env.task().prompt;
  const std::string gold = env.GoldCompletion();
  Expect(env.task().answer.size() == 5, "the word has the length that was asked for");
  Expect(env.Step({gold, 1, false}).verdict.score == 1.0, "the right answer pays 1");

  env.Reset(id);
  Expect(env.task().prompt == prompt, "the same id gives the same task");
  Expect(env.Step({"<answer>no</answer>", 1, false}).verdict.score == 0.0, "another answer pays 0");
  env.Reset(id);
  Expect(env.Step({"", 1, false}).verdict.score == 0.0, "no answer pays 0");
  std::puts("reverse: all as it should be");
}
