// Completion scripts for bash, zsh and fish, made from the table of commands.
//
//   std::cout << CompletionScript("bash", "cogent");   // to be sourced
#pragma once

#include <string>

namespace cogent {

// Throws ConfigError on a shell it does not know.
std::string CompletionScript(const std::string& shell, const std::string& program);

}  // namespace cogent
