// The built program, run as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/cli/shell.h"

namespace cogent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kProgram = std::string(COGENT_BINARY_DIR) + "/cogent ";

TEST(Program, HelpGoesToStandardOutputAndMistakesToStandardError) {
  const Outcome help = Shell(kProgram + "--help 2>/dev/null");
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("Usage: cogent COMMAND"));
  EXPECT_THAT(Shell(kProgram + "trian 2>/dev/null").out, IsEmpty());
  const Outcome mistake = Shell(kProgram + "trian 2>&1");
  EXPECT_EQ(mistake.code, 2);
  EXPECT_THAT(mistake.out, HasSubstr("Did you mean 'train'?"));
}

TEST(Program, MistakesInAFileOfLanguagesAreSaidWithTheirPlace) {
  const std::string folder = testing::TempDir() + "/cogent_languages." + std::to_string(getpid());
  const auto run = [&](const std::string& languages) {
    std::ofstream(folder + ".yaml") << languages;
    std::ofstream(folder + ".sh") << "echo 42";
    return Shell(kProgram + "sandbox run " + folder + ".sh --languages " + folder + ".yaml 2>&1");
  };
  for (const auto& [text, said] : {std::pair("sh: {fil: x}", ":1:6: unknown key 'fil' in language 'sh'. Did you mean 'file'?"), std::pair("[1]", "languages by name are wanted"),
                                   std::pair("sh: {file: a/b.sh, run: [/bin/sh]}", "must be a name without folders"), std::pair("sh: {file: b.sh}", "'run' is missing")}) {
    const Outcome mistake = run(text);
    EXPECT_EQ(mistake.code, 2) << text;
    EXPECT_THAT(mistake.out, HasSubstr(said));
  }
  for (const char* ending : {".yaml", ".sh"}) std::remove((folder + ending).c_str());
}

TEST(Program, SaysItsVersion) {
  const Outcome version = Shell(kProgram + "--version");
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, HasSubstr("cogent 0."));
}

TEST(Program, HelpDoesNotLoadLibTorch) {
  const Outcome help = Shell("LD_DEBUG=libs " + kProgram + "train --help 2>&1");
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, HasSubstr("libcogent.so"));
  EXPECT_THAT(help.out, testing::Not(HasSubstr("libtorch")));
}

TEST(Program, ListsAndExplainsWhatIsRegistered) {
  const Outcome list = Shell(kProgram + "list rewards");
  EXPECT_EQ(list.code, 0);
  EXPECT_THAT(list.out, HasSubstr("format"));
  const Outcome show = Shell(kProgram + "show format");
  EXPECT_EQ(show.code, 0);
  EXPECT_THAT(show.out, HasSubstr("reward 'format'"));
}

TEST(Program, ListNamesAlgorithmsOrSaysWhyNot) {
  const Outcome list = Shell(kProgram + "list 2>&1");
  EXPECT_EQ(list.code, 0);
  EXPECT_THAT(list.out, HasSubstr("environments\n"));
  EXPECT_THAT(list.out, HasSubstr("algorithms"));
}

TEST(Program, AMisspeltNameIsAMistakeWithTheNearestOne) {
  const Outcome show = Shell(kProgram + "show fromat 2>&1");
  EXPECT_NE(show.code, 0);
  if (show.code == 2) {
    EXPECT_THAT(show.out, HasSubstr("format"));
  }
}

TEST(Program, ANameLikeNoneIsSaidToBeNone) {
  const Outcome show = Shell(kProgram + "show nosuchpart 2>&1");
  EXPECT_NE(show.code, 0);
  if (show.code == 2) {
    EXPECT_THAT(show.out, HasSubstr("nothing is registered as 'nosuchpart'. `cogent list` prints all names"));
  }
}

TEST(Program, AWrongVariableIsAMistake) {
  const Outcome level = Shell("COGENT_LOG_LEVEL=dbug " + kProgram + "list rewards 2>&1");
  EXPECT_EQ(level.code, 2);
  EXPECT_THAT(level.out, HasSubstr("Did you mean 'debug'?"));
}

TEST(Program, AModelThatIsNotThereIsAMistake) {
  const Outcome describe = Shell(kProgram + "model describe /no/such/config.json 2>&1");
  EXPECT_EQ(describe.code, 2);
  EXPECT_THAT(describe.out, HasSubstr("/no/such/config.json"));
}

TEST(Program, ARunThatIsNotThereIsAMistake) {
  const Outcome report = Shell(kProgram + "report /no/such/run 2>&1");
  EXPECT_EQ(report.code, 2);
  EXPECT_THAT(report.out, HasSubstr("/no/such/run"));
}

TEST(Program, AFolderThatHoldsNoRunHasNoReport) {
  const std::string dir = testing::TempDir() + "/cogent_no_run";
  std::filesystem::create_directories(dir);
  const Outcome report = Shell(kProgram + "report " + dir + " 2>&1");
  EXPECT_EQ(report.code, 2);
  EXPECT_THAT(report.out, HasSubstr(dir + " is no run directory: there is no config.yaml in it"));
  EXPECT_TRUE(std::filesystem::is_empty(dir));
  std::filesystem::remove(dir);
}

TEST(Program, AFullDiskBehindStandardOutputIsAFailure) {
  EXPECT_EQ(Shell(kProgram + "list rewards 2>/dev/null >/dev/full").code, 1);
}

TEST(Program, DoctorTellsTheMachineAndItsExitCode) {
  const Outcome doctor = Shell(kProgram + "doctor");
  for (const char* word : {"system", "processor", "memory", "LibTorch", "engine"}) {
    EXPECT_THAT(doctor.out, HasSubstr(word));
  }
  EXPECT_EQ(doctor.code, doctor.out.find("MISSING") == std::string::npos ? 0 : 3);
}

}  // namespace
}  // namespace cogent
