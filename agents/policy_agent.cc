#include "agents/policy_agent.h"

#include <algorithm>

#include "agents/prompt_tokens.h"
#include "envs/template.h"

namespace cogent {

PolicyAgent::PolicyAgent(const Generator& generator, std::string prompt_template, Sampling sampling, bool fails)
    : generator_(&generator), template_(TemplateText(prompt_template)), sampling_(std::move(sampling)), fails_(fails) {}

std::vector<Turn> PolicyAgent::Act(const std::vector<Conversation>& conversations, const std::vector<Rng>& draws) {
  const Tokenizer& tokenizer = generator_->tokenizer();
  std::vector<Turn> turns(conversations.size());
  std::vector<std::vector<std::int32_t>> contexts(conversations.size());
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    PromptTokens tokens = TokensOf(template_, tokenizer, conversations[i]);
    turns[i].prompt_ids = std::move(tokens.fresh);
    contexts[i] = std::move(tokens.context);
  }
  // An episode that has filled the context in earlier turns is cut; a first prompt that does is a mistake,
  // which Generate reports.
  std::vector<std::size_t> asked;
  std::vector<std::vector<std::int32_t>> prompts;
  std::vector<Rng> seeds;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const bool first = conversations[i].turns == nullptr || conversations[i].turns->empty();
    const int room = generator_->config().max_position_embeddings;
    const bool full = static_cast<int>(contexts[i].size()) >= room;
    turns[i].truncated = !first && full;
    if (first && full && fails_) turns[i].failure = "a prompt leaves no room in the model's context of " + std::to_string(room) + " tokens";
    if (turns[i].truncated || !turns[i].failure.empty()) continue;
    asked.push_back(i);
    turns[i].context = ContextHash(contexts[i]);
    prompts.push_back(std::move(contexts[i]));
    seeds.push_back(draws[i]);
  }
  auto generated = generator_->Generate(prompts, seeds, sampling_);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Turn& turn = turns[asked[i]];
    turn.completion_ids = std::move(generated[i].ids);
    turn.logprobs = std::move(generated[i].logprobs);
    turn.sampled_logprobs = std::move(generated[i].sampled_logprobs);
    turn.truncated = generated[i].truncated;
    turn.forced = generated[i].forced;
    // Rows of earlier turns were kept there; they were computed again to the same bits.
    const std::size_t rows = prompts[i].size() + turn.completion_ids.size() - 1, own = turn.prompt_ids.size() + turn.completion_ids.size();
    const std::size_t new_rows = own > rows ? rows : own, size = generated[i].experts.size() / std::max<std::size_t>(1, rows);
    turn.experts.assign(generated[i].experts.end() - static_cast<std::ptrdiff_t>(new_rows * size), generated[i].experts.end());
    std::vector<std::int32_t> shown = turn.completion_ids;
    if (!shown.empty() && generator_->Ends(shown.back())) shown.pop_back();
    turn.text = tokenizer.Decode(shown);
  }
  return turns;
}

}  // namespace cogent
