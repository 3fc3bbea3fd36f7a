#include "envs/mixture.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "core/error.h"

namespace cogent {
namespace {

class MixtureEnv final : public Env {
 public:
  struct Config {
    std::vector<Choice> parts = {{.name = "arithmetic"}};
    void VisitFields(FieldVisitor& visit) { visit("parts", parts, "environments, each with a `weight` (1), and `until` and `over` where that changes"); }
    void Validate(Problems& problems, const Location& where) const {
      if (parts.empty()) problems.Add(where, "parts is empty; name at least one environment");
    }
  };

  MixtureEnv(const Config& config, const EnvRegistry& envs, Problems& problems) {
    double total = 0;
    for (Choice choice : config.parts) {
      Part part;
      part.name = choice.name;
      part.weights = ReadConfig<Weights>(TakeKeys(choice.settings, {"weight", "until", "over"}), problems, "part '" + choice.name + "' of a mixture");
      if (choice.name == "mixture") problems.Add(choice.location, "a part of a mixture is 'mixture' itself; name the environments");
      else part.env = envs.Make(choice, problems);
      if (part.env && part.env->ListedTasks() > 0) {
        problems.Add(choice.location, "a part of a mixture is a benchmark, of which every problem is asked once; evaluate '" + choice.name + "' alone");
      }
      total += std::max(part.weights.weight, part.weights.until);
      parts_.push_back(std::move(part));
    }
    if (total <= 0) problems.Add({}, "the weights of a mixture are all 0");
  }

  Observation Reset(const TaskId& id) override {
    Rng rng = Rng(id.seed).Fork("mixture").Fork(id.split == Split::kTrain ? "train" : "test").Fork(id.index);
    running_ = &Draw(rng, static_cast<double>(id.index));
    Observation seen = running_->env->Reset(id);
    task_ = running_->env->task();
    task_.facts["environment"] = running_->name;
    return seen;
  }
  StepResult Step(const Completion& completion) override {
    Check(running_ != nullptr, "Step needs a Reset before it");
    StepResult result = running_->env->Step(completion);
    if (result.done) {
      result.measures.push_back({"accuracy_" + running_->name, result.verdict.score, 0.0, {}});
      result.measures.push_back({"tokens_" + running_->name, static_cast<double>(completion.tokens), 0.0, {}});
    }
    return result;
  }
  bool StepWaits() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.env->StepWaits(); });
  }
  const Task& task() const override { return task_; }
  std::string GoldCompletion() const override { return running_ == nullptr ? "" : running_->env->GoldCompletion(); }
  bool HasCorpus() const override {
    return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return part.env->HasCorpus(); });
  }
  Document CorpusDocument(Rng& rng) const override {
    if (!HasCorpus()) return Env::CorpusDocument(rng);
    return Draw(rng, 0, true).env->CorpusDocument(rng);
  }
  std::vector<Document> CorpusPage(Rng& rng) const override {
    if (!HasCorpus()) return Env::CorpusPage(rng);
    return Draw(rng, 0, true).env->CorpusPage(rng);
  }

 private:
  struct Weights {
    double weight = 1.0, until = -1.0, over = 1000;
    void VisitFields(FieldVisitor& visit) {
      visit("weight", weight, "how often a task is of this part, beside the others' weights", {0.0, 1e6});
      visit("until", until, "what the weight becomes; -1 = it stays", {-1.0, 1e6});
      visit("over", over, "tasks until then", {1.0, 1e12});
    }
    double At(double index) const { return until < 0 ? weight : weight + (until - weight) * std::min(1.0, index / over); }
  };
  struct Part {
    std::string name;
    Weights weights;
    std::unique_ptr<Env> env;
  };

  // `corpus`: among those with one; evenly where none has a weight.
  const Part& Draw(Rng& rng, double index, bool corpus = false) const {
    std::vector<std::pair<const Part*, double>> open;
    double total = 0;
    for (const Part& part : parts_) {
      if (corpus && !part.env->HasCorpus()) continue;
      open.emplace_back(&part, part.weights.At(index));
      total += open.back().second;
    }
    if (total == 0) return *open[static_cast<std::size_t>(rng.Range(0, static_cast<std::int64_t>(open.size()) - 1))].first;
    std::erase_if(open, [](const auto& one) { return one.second == 0; });
    double left = rng.Uniform() * total;
    for (const auto& [part, weight] : open) {
      if (left < weight) return *part;
      left -= weight;
    }
    return *open.back().first;
  }

  std::vector<Part> parts_;
  const Part* running_ = nullptr;
  Task task_;
};

}  // namespace

void RegisterMixture(EnvRegistry& envs) { envs.Add<MixtureEnv>("mixture", "tasks of several environments by weight, which may change as training goes on"); }

}  // namespace cogent
