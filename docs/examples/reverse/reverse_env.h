// Asks for a word spelled backwards; pays 1 for an exact answer. The corpus for a base model shows how
// an answer looks, and gets it right two times in five.
#pragma once

#include <string>

#include "envs/single_turn.h"
#include "verifiers/extract.h"

class ReverseEnv final : public cogent::SingleTurnEnv {
 public:
  struct Config {
    int length = 3;
    void VisitFields(cogent::FieldVisitor& visit) { visit("length", length, "letters in the word", {2, 64}); }
  };
  explicit ReverseEnv(const Config& config) : config_(config) {}
  cogent::Task MakeTask(cogent::Rng& rng) const override {
    const std::string word = rng.Letters(config_.length);
    return {.prompt = "Spell backwards: " + word, .answer = {word.rbegin(), word.rend()}, .facts = {{"word", word}}};
  }
  cogent::Verdict Score(const cogent::Task& task, const cogent::Completion& completion) const override {
    const auto answer = cogent::Extract(completion.text).text;
    if (!answer) return {0.0, "no answer"};
    return {*answer == task.answer ? 1.0 : 0.0, "answered " + *answer};
  }
  std::string GoldCompletion() const override { return Attempt(task().answer); }
  bool HasCorpus() const override { return true; }
  Document CorpusDocument(cogent::Rng& rng) const override {
    ReverseEnv env(config_);
    env.Reset({cogent::Split::kTrain, rng.Next(), 0});
    return {env.task().prompt, env.Attempt(rng.Uniform() < 0.4 ? env.task().answer : env.task().facts.at("word"))};
  }

 private:
  std::string Attempt(const std::string& answer) const {
    return "<think>" + task().facts.at("word") + "</think> <answer>" + answer + "</answer>";
  }
  Config config_;
};
