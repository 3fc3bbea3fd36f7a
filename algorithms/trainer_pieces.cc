// How a step is cut into micro-batches: whole trajectories, a shared prompt once.
#include <algorithm>

#include "algorithms/trainer_parts.h"

namespace cogent {
namespace {

// Everything of a trajectory behind its first prompt, with a mark on the tokens that the policy chose.
void AppendContinuation(const Trajectory& t, int parent, int prompt_last_row, PackedTokens& tokens, std::vector<std::int64_t>& rows,
                        std::vector<std::int64_t>& targets) {
  Segment segment{static_cast<int>(tokens.ids.size()), 0, parent};
  int before = prompt_last_row;  // the row that predicts the next token
  for (std::size_t turn = 0; turn < t.turns.size(); ++turn) {
    if (turn > 0) {
      for (const auto id : t.turns[turn].prompt_ids) before = static_cast<int>(tokens.ids.size()), tokens.ids.push_back(id);
    }
    for (const auto id : t.turns[turn].completion_ids) {
      rows.push_back(before);
      targets.push_back(id);
      before = static_cast<int>(tokens.ids.size());
      tokens.ids.push_back(id);
    }
  }
  // The last token predicts nothing that is learned from; it needs no row.
  if (static_cast<int>(tokens.ids.size()) > segment.begin) tokens.ids.pop_back();
  segment.end = static_cast<int>(tokens.ids.size());
  if (segment.size() > 0) tokens.segments.push_back(segment);
}

// The rollout's experts of the rows from `first` on, which are `t`'s rows from `skip` on; the router chooses where `t` has none.
void AppendExperts(const Trajectory& t, std::size_t first, std::size_t skip, std::size_t per_row, PackedTokens& tokens) {
  std::vector<std::int32_t> all;
  for (const Turn& turn : t.turns) all.insert(all.end(), turn.experts.begin(), turn.experts.end());
  const std::size_t begin = skip * per_row, count = (tokens.ids.size() - first) * per_row;
  if (begin + count > all.size()) tokens.experts.insert(tokens.experts.end(), count, -1);
  else tokens.experts.insert(tokens.experts.end(), all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(begin + count));
}

}  // namespace

// As many rows as asked for, or fewer, so that every lane has work.
int Trainer::RowsAPiece(std::size_t rows) const {
  const std::size_t lanes = gradients_.size(), most = static_cast<std::size_t>(config_.micro_batch_tokens);
  const std::size_t rounds = std::max<std::size_t>(1, (rows + lanes * most - 1) / (lanes * most));
  return static_cast<int>(std::max<std::size_t>(1, (rows + lanes * rounds - 1) / (lanes * rounds)));
}

std::vector<Trainer::Piece> Trainer::Cut(const std::vector<const Trajectory*>& trajectories, std::size_t first, std::size_t last, bool policy) const {
  std::vector<Piece> pieces;
  std::size_t rows = 0;
  for (std::size_t i = first; i < last; ++i) rows += static_cast<std::size_t>(trajectories[i]->CompletionTokens());
  const int room = RowsAPiece(rows);
  // The rollout's experts are the policy's.
  const ModelConfig& model = parameters_->config();
  const std::size_t experts_per_row = policy && config_.replay_experts ? static_cast<std::size_t>(model.MixtureLayers() * model.num_experts_per_tok) : 0;
  int parent = -1, prompt_last_row = -1;
  const std::vector<std::int32_t>* prompt = nullptr;
  for (std::size_t i = first; i < last; ++i) {
    const Trajectory& t = *trajectories[i];
    if (pieces.empty() || static_cast<int>(pieces.back().tokens.ids.size()) >= room) {
      pieces.push_back({i, i, {}, {}, {}});
      prompt = nullptr;
    }
    Piece& piece = pieces.back();
    const auto& own = t.turns.front().prompt_ids;
    const std::size_t first_row = piece.tokens.ids.size();
    std::size_t known = own.size();  // rows of this trajectory that stand in the piece already
    if (prompt == nullptr || *prompt != own) {
      prompt = &own;
      known = 0;
      parent = static_cast<int>(piece.tokens.segments.size());
      const int begin = static_cast<int>(piece.tokens.ids.size());
      piece.tokens.ids.insert(piece.tokens.ids.end(), own.begin(), own.end());
      prompt_last_row = static_cast<int>(piece.tokens.ids.size()) - 1;
      piece.tokens.segments.push_back({begin, prompt_last_row + 1, -1});
    }
    AppendContinuation(t, parent, prompt_last_row, piece.tokens, piece.rows, piece.targets);
    if (experts_per_row > 0) AppendExperts(t, first_row, known, experts_per_row, piece.tokens);
    piece.last = i + 1;
  }
  return pieces;
}

}  // namespace cogent
