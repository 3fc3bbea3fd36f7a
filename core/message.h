// One message of a conversation, as every chat interface has it.
#pragma once

#include <string>

namespace cogent {

enum class Role { kSystem, kUser, kAssistant, kTool };

struct Message {
  Role role = Role::kUser;
  std::string text;  // UTF-8
};

}  // namespace cogent
