#include "verifiers/length.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "core/error.h"

namespace cogent {

double OverlongPunishment(int tokens, int max_tokens, int cache_tokens) {
  const int free = max_tokens - cache_tokens;
  if (tokens <= free) return 0.0;
  if (tokens > max_tokens) return -1.0;
  return static_cast<double>(free - tokens) / cache_tokens;
}

double CosineLength(int tokens, int max_tokens, bool right, const CosineValues& values) {
  const double progress = std::min(static_cast<double>(tokens) / max_tokens, 1.0);
  const double at_short = right ? values.right_short : values.wrong_short;
  const double at_long = right ? values.right_long : values.wrong_long;
  return at_long + 0.5 * (at_short - at_long) * (1.0 + std::cos(progress * std::numbers::pi));
}

double GroupLength(int tokens, int shortest, int longest, bool right) {
  if (longest == shortest) return 0.0;
  const double lambda = 0.5 - static_cast<double>(tokens - shortest) / (longest - shortest);
  return right ? lambda : std::min(0.0, lambda);
}

namespace {

// The environment's own judgement, without which these rewards mean nothing.
bool IsRight(const Answered& one, double right_from, const char* reward) {
  if (one.accuracy) return *one.accuracy >= right_from;
  throw DataError(std::string("reward '") + reward +
                  "' needs the environment's verdict on the answer, and there is none here");
}

const char* Named(bool right) { return right ? "right, " : "wrong, "; }

class OverlongReward final : public Reward {
 public:
  struct Config {
    int max_tokens = 20480;
    int cache_tokens = 4096;
    void VisitFields(FieldVisitor& visit) {
      visit("max_tokens", max_tokens,
            "L_max: from here on the full punishment; the run's max_new_tokens", {1, 1 << 30});
      visit("cache_tokens", cache_tokens,
            "L_cache: the last tokens before L_max, over which it grows", {0, 1 << 30});
    }
    void Validate(Problems& problems, const Node& section) const {
      if (cache_tokens > max_tokens)
        problems.Add(section.PlaceOf("cache_tokens"),
                     "'cache_tokens' must not exceed 'max_tokens'.");
    }
  };
  explicit OverlongReward(const Config& config) : config_(config) {}
  Verdict Score(const Task&, const Completion& completion) const override {
    return {OverlongPunishment(completion.tokens, config_.max_tokens, config_.cache_tokens),
            std::to_string(completion.tokens) + " tokens"};
  }

 private:
  Config config_;
};

class CosineLengthReward final : public BatchReward {
 public:
  struct Config {
    int max_tokens = 16384;
    double right_from = 1.0;
    CosineValues values;
    void VisitFields(FieldVisitor& visit) {
      visit("max_tokens", max_tokens,
            "L_max: the length at which the long values hold; the run's max_new_tokens",
            {1, 1 << 30});
      visit("right_from", right_from, "the least score of accuracy that is right", {0.0, 1.0});
      visit("right_short", values.right_short, "of a right answer of no length", {-1000.0, 1000.0});
      visit("right_long", values.right_long, "of a right answer of max_tokens", {-1000.0, 1000.0});
      visit("wrong_short", values.wrong_short, "of a wrong answer of no length", {-1000.0, 1000.0});
      visit("wrong_long", values.wrong_long, "of a wrong answer of max_tokens", {-1000.0, 1000.0});
    }
  };
  explicit CosineLengthReward(const Config& config) : config_(config) {}
  std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const override {
    std::vector<Verdict> verdicts;
    for (const Answered& one : answered) {
      const bool right = IsRight(one, config_.right_from, "cosine_length");
      const int tokens = one.completion->tokens;
      verdicts.push_back({CosineLength(tokens, config_.max_tokens, right, config_.values),
                          Named(right) + std::to_string(tokens) + " tokens"});
    }
    return verdicts;
  }

 private:
  Config config_;
};

class GroupLengthReward final : public BatchReward {
 public:
  struct Config {
    double right_from = 1.0;
    void VisitFields(FieldVisitor& visit) {
      visit("right_from", right_from, "the least score of accuracy that is right", {0.0, 1.0});
    }
  };
  explicit GroupLengthReward(const Config& config) : config_(config) {}
  std::vector<Verdict> ScoreAll(const std::vector<Answered>& answered) const override {
    std::map<int, std::pair<int, int>> bounds;  // shortest and longest of each group
    for (const Answered& one : answered) {
      const int tokens = one.completion->tokens;
      auto& [shortest, longest] = bounds.try_emplace(one.group, tokens, tokens).first->second;
      shortest = std::min(shortest, tokens);
      longest = std::max(longest, tokens);
    }
    std::vector<Verdict> verdicts;
    for (const Answered& one : answered) {
      const auto [shortest, longest] = bounds.at(one.group);
      const bool right = IsRight(one, config_.right_from, "length");
      const int tokens = one.completion->tokens;
      verdicts.push_back({GroupLength(tokens, shortest, longest, right),
                          Named(right) + std::to_string(tokens) + " tokens of " +
                              std::to_string(shortest) + " to " + std::to_string(longest)});
    }
    return verdicts;
  }

 private:
  Config config_;
};

}  // namespace

void RegisterLengthRewards(RewardRegistry& rewards) {
  rewards.Add<OverlongReward>("overlong", "punishes the last tokens before a limit (DAPO)");
  rewards.Add<CosineLengthReward>("cosine_length",
                                  "accuracy by length, along a cosine: right and short is best");
  rewards.Add<GroupLengthReward>("length",
                                 "pays for being shorter than the others of the group (Kimi k1.5)");
}

}  // namespace cogent
