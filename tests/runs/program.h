// Starts the built program as a user would, and kills it when a test says so.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace cogent::runs {

inline std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}
inline void Write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }
inline int Lines(const std::string& path) {
  const std::string text = Read(path);
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

struct Outcome {
  int code = -1;       // exit code, or -1 when a signal ended it
  int signal = 0;
  std::string text;    // standard output and standard error
};

class StartedProgram {
 public:
  // `largest_file` in bytes, 0 = no limit: writing more fails as on a full disk.
  StartedProgram(std::vector<std::string> words, const std::string& output, rlim_t largest_file = 0) : output_(output) {
    words.insert(words.begin(), std::string(COGENT_BINARY_DIR) + "/cogent");
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      const int fd = open(output.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0644);
      dup2(fd, 1), dup2(fd, 2);
      if (largest_file > 0) {
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{largest_file, largest_file};
        setrlimit(RLIMIT_FSIZE, &limit);
      }
      execv(argv[0], argv.data());
      _exit(127);
    }
  }
  ~StartedProgram() {
    if (!ended_) Signal(SIGKILL), Wait();
  }
  StartedProgram(const StartedProgram&) = delete;
  StartedProgram& operator=(const StartedProgram&) = delete;

  void Signal(int signal) const { kill(pid_, signal); }
  // Until `ready` or the end of the program. True when ready.
  bool WaitUntil(const std::function<bool()>& ready) {
    while (!ended_) {
      if (ready()) return true;
      Reap(WNOHANG);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  Outcome Wait() {
    if (!ended_) Reap(0);
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -1, WIFSIGNALED(status_) ? WTERMSIG(status_) : 0, Read(output_)};
  }

 private:
  void Reap(int flags) {
    if (waitpid(pid_, &status_, flags) == pid_) ended_ = true;
  }
  std::string output_;
  pid_t pid_ = -1;
  int status_ = 0;
  bool ended_ = false;
};

// A run of seconds: a base model of width 32, evaluation, GRPO, evaluation.
inline std::string TinyRun(const std::string& output, const std::string& more = "") {
  return "name: tiny\noutput: " + output + R"(
seed: 5
threads: 2
env: {name: signs, digits: 3}
rewards: [{name: accuracy}, {name: format, weight: 0.1}]
tokenizer: {kind: bytes}
policy:
  model: {vocab_size: 0, hidden_size: 32, intermediate_size: 48, moe_intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 2,
          n_routed_experts: 4, num_experts_per_tok: 2, q_lora_rank: 12, kv_lora_rank: 8, qk_nope_head_dim: 8, qk_rope_head_dim: 8,
          v_head_dim: 8, num_nextn_predict_layers: 1, max_position_embeddings: 128, initializer_range: 0.06}
pretrain: {steps: 30, tokens_per_step: 256, checkpoint_every: 7, log_every: 1, optimizer: {learning_rate: 1.0e-2}}
algorithm: {name: grpo, kl_coef: 0.01}
rollout: {prompts: 4, group_size: 4, max_new_tokens: 16}
optimizer: {learning_rate: 1.0e-3, warmup_steps: 2}
train: {steps: 8, epochs: 2, minibatches: 2, samples_per_step: 3}
eval: {every: 3, tasks: 12, final_tasks: 30}
checkpoint: {every: 2, keep: 2}
)" + more;
}

}  // namespace cogent::runs
