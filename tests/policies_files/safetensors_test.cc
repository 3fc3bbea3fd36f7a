#include "policies/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>

#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using testing::HasSubstr;

// A file of this header and so many zero bytes of data.
std::string FileOf(std::string_view header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file.append(header).append(data, '\0');
}

std::string Refusal(std::string_view file) {
  return DataErrorOf([&] { SafetensorsFile::Parse(Bytes(file), "m.safetensors"); });
}

std::string RefusalOf(std::string_view header, std::size_t data) {
  return Refusal(FileOf(header, data));
}

const char* const kTwo =
    R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";

TEST(Safetensors, ReadsBackWhatItWrote) {
  ScratchFolder folder;
  const std::vector<float> numbers = {1.5f, -2.0f, 3.0f, 0.0f, 7.0f, 1e-30f};
  const std::string raw = "\x01\x02\x03";
  WriteSafetensors(folder / "x",
                   {{"w \"quoted\" é\n", {DType::kF32, {2, 3}, std::as_bytes(std::span(numbers))}},
                    {"scalar", {DType::kU8, {}, Bytes(raw).first(1)}},
                    {"empty", {DType::kF64, {0, 5}, {}}},
                    {"raw", {DType::kF8E4M3, {3}, Bytes(raw)}}},
                   {{"format", "pt"}, {"step", "7"}});
  const SafetensorsFile file = SafetensorsFile::Open(folder / "x");
  ASSERT_EQ(file.tensors().size(), 4u);
  const TensorView& w = file.Get("w \"quoted\" é\n");
  EXPECT_EQ(w.dtype, DType::kF32);
  EXPECT_EQ(w.shape, (std::vector<std::int64_t>{2, 3}));
  ASSERT_EQ(w.bytes.size(), 24u);
  EXPECT_EQ(std::memcmp(w.bytes.data(), numbers.data(), 24), 0);
  EXPECT_TRUE(file.Get("scalar").shape.empty());
  EXPECT_EQ(file.Get("scalar").bytes.size(), 1u);
  EXPECT_EQ(file.Get("empty").bytes.size(), 0u);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}, {"step", "7"}}));
  EXPECT_EQ(file.path(), folder / "x");
}

TEST(Safetensors, ReadsAFileOfThePythonPackage) {  // tests/oracles/make_safetensors.py
  const SafetensorsFile file = SafetensorsFile::Open(Stored("safetensors/python.safetensors"));
  EXPECT_EQ(file.metadata().at("origin"), "python");
  ASSERT_EQ(file.tensors().size(), 8u);
  const TensorView& ramp = file.Get("layer.0.ramp");
  EXPECT_EQ(ramp.dtype, DType::kF32);
  EXPECT_EQ(ramp.shape, (std::vector<std::int64_t>{3, 4}));
  for (std::size_t i = 0; i < 12; ++i) {
    float value = 0;
    std::memcpy(&value, ramp.bytes.data() + i * 4, 4);
    EXPECT_EQ(value, static_cast<float>(i) * 0.5f);
  }
  std::int64_t count = 0;
  std::memcpy(&count, file.Get("count").bytes.data(), 8);
  EXPECT_EQ(count, -123456789012345);
  EXPECT_EQ(file.Get("half").dtype, DType::kF16);
  EXPECT_EQ(file.Get("flags").dtype, DType::kBool);
  EXPECT_EQ(file.Get("nothing").shape, (std::vector<std::int64_t>{2, 0}));
}

TEST(Safetensors, DataStartAtAMultipleOf64BytesAndNamesAreSorted) {
  ScratchFolder folder;
  for (std::size_t length = 1; length < 140; ++length) {
    WriteSafetensors(folder / "x", {{std::string(length, 'n'), {DType::kU8, {2}, Bytes("ab")}},
                                    {"a", {DType::kU8, {1}, Bytes("c")}}});
    const std::string file = ReadText(folder / "x");
    std::uint64_t header = 0;
    std::memcpy(&header, file.data(), 8);
    ASSERT_EQ((8 + header) % 64, 0u) << length;
    ASSERT_EQ(file.substr(8 + header), "cab");
    ASSERT_LT(file.find("\"a\":"), file.find("n\":"));
  }
}

TEST(Safetensors, EqualInputGivesAnEqualFile) {
  ScratchFolder folder;
  const std::map<std::string, TensorView> tensors = {{"b", {DType::kI16, {1}, Bytes("xy")}},
                                                     {"a", {DType::kU8, {1}, Bytes("z")}}};
  WriteSafetensors(folder / "1", tensors, {{"k", "v"}});
  WriteSafetensors(folder / "2", tensors, {{"k", "v"}});
  EXPECT_EQ(ReadText(folder / "1"), ReadText(folder / "2"));
}

TEST(Safetensors, EveryTypeHasItsNameAndSize) {
  const std::vector<std::tuple<DType, std::string, std::size_t>> types = {
      {DType::kF64, "F64", 8},        {DType::kF32, "F32", 4}, {DType::kF16, "F16", 2},
      {DType::kBF16, "BF16", 2},      {DType::kI64, "I64", 8}, {DType::kF8E4M3, "F8_E4M3", 1},
      {DType::kF8E5M2, "F8_E5M2", 1}, {DType::kI32, "I32", 4}, {DType::kI16, "I16", 2},
      {DType::kI8, "I8", 1},          {DType::kU8, "U8", 1},   {DType::kBool, "BOOL", 1}};
  for (const auto& [dtype, name, size] : types) {
    EXPECT_EQ(NameOf(dtype), name);
    EXPECT_EQ(SizeOf(dtype), size);
    const std::string file =
        FileOf(R"({"x":{"dtype":")" + name + R"(","shape":[1],"data_offsets":[0,)" +
                   std::to_string(size) + "]}}",
               size);
    EXPECT_EQ(SafetensorsFile::Parse(Bytes(file), "f").Get("x").dtype, dtype);
  }
}

TEST(Safetensors, AFileCutAnywhereIsRefused) {
  const std::string whole = FileOf(kTwo, 11);
  EXPECT_EQ(SafetensorsFile::Parse(Bytes(whole), "f").tensors().size(), 2u);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THAT(Refusal(whole.substr(0, length)), HasSubstr("cut short")) << length;
  }
}

TEST(Safetensors, LeftOverBytesAreRefused) {
  EXPECT_THAT(RefusalOf(kTwo, 12), HasSubstr("1 bytes at the end belong to no tensor"));
}

TEST(Safetensors, AHeaderOver100MegabytesIsRefused) {
  std::string file = FileOf("{}", 0);
  const std::uint64_t length = 100'000'001;
  std::memcpy(file.data(), &length, 8);
  EXPECT_THAT(Refusal(file), HasSubstr("more than the format allows"));
  std::memset(file.data(), 0xFF, 8);
  EXPECT_THAT(Refusal(file), HasSubstr("more than the format allows"));
}

TEST(Safetensors, AHeaderThatIsNoJsonObjectIsRefused) {
  EXPECT_THAT(RefusalOf("", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(RefusalOf(" {}", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(RefusalOf("[]", 0), HasSubstr("does not start with '{'"));
  EXPECT_THAT(RefusalOf("{\"a\":", 0), HasSubstr("is no JSON"));
  EXPECT_THAT(RefusalOf("{\"\xFF\":1}", 0), HasSubstr("is no JSON"));
  EXPECT_THAT(RefusalOf("{}x", 0), HasSubstr("is no JSON"));
  EXPECT_THAT(RefusalOf(R"({"a":)" + std::string(100000, '['), 0), HasSubstr("nested too deeply"));
}

TEST(Safetensors, ANameThatOccursTwiceIsRefused) {
  const std::string entry = R"({"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_THAT(RefusalOf("{\"a\":" + entry + ",\"a\":" + entry + "}", 1),
              HasSubstr("'a' occurs twice"));
}

TEST(Safetensors, OffsetsOutsideTheDataAreRefused) {
  const auto with = [](const std::string& offsets) {
    return RefusalOf(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + offsets + "}}", 4);
  };
  EXPECT_THAT(with("[0,5]"), HasSubstr("holds only 4"));
  EXPECT_THAT(with("[3,2]"), HasSubstr("end before they begin"));
  EXPECT_THAT(with("[-1,3]"), HasSubstr("whole numbers"));
  EXPECT_THAT(with("[0,4.0]"), HasSubstr("whole numbers"));
  EXPECT_THAT(with("[0,18446744073709551616]"), HasSubstr("whole numbers"));
  EXPECT_THAT(with("[18446744073709551612,0]"), HasSubstr("whole numbers"));
  EXPECT_THAT(with("[0]"), HasSubstr("two numbers"));
  EXPECT_THAT(with("[0,4,4]"), HasSubstr("two numbers"));
  EXPECT_THAT(with("4"), HasSubstr("no list"));
}

TEST(Safetensors, ASizeThatIsNotShapeTimesElementIsRefused) {
  const auto with = [](const std::string& shape) {
    return RefusalOf(R"({"a":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,4]}})", 4);
  };
  EXPECT_THAT(with("[2]"), HasSubstr("shape [2] of F32 takes 8 bytes, but data_offsets give 4"));
  EXPECT_THAT(with("[0]"), HasSubstr("takes 0 bytes"));
  EXPECT_THAT(with("[9223372036854775807,9223372036854775807]"), HasSubstr("too large"));
  EXPECT_THAT(with("[4294967296,4294967296]"), HasSubstr("too large"));
  EXPECT_THAT(with("[-1,-1]"), HasSubstr("whole numbers"));
  EXPECT_THAT(with("[\"1\"]"), HasSubstr("whole numbers"));
  EXPECT_THAT(with("null"), HasSubstr("no list"));
}

TEST(Safetensors, OverlapAndGapAreRefused) {
  const auto with = [](const std::string& a, const std::string& b, std::size_t data) {
    return RefusalOf(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + a +
                         R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + b + "}}",
                     data);
  };
  EXPECT_THAT(with("[0,2]", "[1,3]", 3), HasSubstr("'b': its data overlap"));
  EXPECT_THAT(with("[0,2]", "[0,2]", 2), HasSubstr("overlap"));
  EXPECT_THAT(with("[3,5]", "[0,2]", 5), HasSubstr("'a': leaves a gap of 1 bytes"));
  EXPECT_THAT(with("[1,3]", "[3,5]", 5), HasSubstr("'a': leaves a gap"));
}

TEST(Safetensors, EntriesOfAnotherKindAreRefused) {
  EXPECT_THAT(RefusalOf(R"({"a":1})", 0), HasSubstr("no object"));
  EXPECT_THAT(RefusalOf(R"({"a":{"shape":[],"data_offsets":[0,1]}})", 1),
              HasSubstr("dtype is missing"));
  EXPECT_THAT(RefusalOf(R"({"a":{"dtype":"F31","shape":[],"data_offsets":[0,1]}})", 1),
              HasSubstr("unknown dtype 'F31'; known: F64"));
  EXPECT_THAT(RefusalOf(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1),
              HasSubstr("shape is missing"));
  EXPECT_THAT(RefusalOf(R"({"__metadata__":{"a":1}})", 0), HasSubstr("'a' is no string"));
  EXPECT_THAT(RefusalOf(R"({"__metadata__":[]})", 0), HasSubstr("no object of strings"));
}

TEST(Safetensors, AMissingTensorIsNamed) {
  const std::string file = FileOf("{}", 0);
  const SafetensorsFile empty = SafetensorsFile::Parse(Bytes(file), "m.safetensors");
  EXPECT_FALSE(empty.Has("lm_head.weight"));
  EXPECT_THAT(DataErrorOf([&] { empty.Get("lm_head.weight"); }),
              HasSubstr("m.safetensors: tensor 'lm_head.weight' is missing"));
}

TEST(Safetensors, WhatIsNoFileIsRefused) {
  ScratchFolder folder;
  EXPECT_THAT(DataErrorOf([&] { SafetensorsFile::Open(folder / "absent"); }),
              HasSubstr("absent: cannot be opened"));
  EXPECT_THAT(DataErrorOf([&] { SafetensorsFile::Open(folder.path()); }),
              HasSubstr("no regular file"));
  WriteText(folder / "empty", "");
  EXPECT_THAT(DataErrorOf([&] { SafetensorsFile::Open(folder / "empty"); }),
              HasSubstr("too short"));
}

TEST(Safetensors, BytesThatDoNotFitTheShapeAreNotWritten) {
  ScratchFolder folder;
  WriteText(folder / "x", "old");
  const auto write = [&](const std::string& name, TensorView view) {
    WriteSafetensors(folder / "x", {{name, view}});
  };
  EXPECT_THAT(DataErrorOf([&] {
                write("a", {DType::kF32, {2}, Bytes("1234")});
              }),
              HasSubstr("shape [2] of F32"));
  EXPECT_THAT(DataErrorOf([&] {
                write("a", {DType::kU8, {-1, -4}, Bytes("1234")});
              }),
              HasSubstr("shape [-1, -4]"));
  EXPECT_THAT(DataErrorOf([&] {
                write("__metadata__", {DType::kU8, {4}, Bytes("1234")});
              }),
              HasSubstr("cannot be named"));
  EXPECT_THAT(DataErrorOf([&] {
                write("\xFF", {DType::kU8, {4}, Bytes("1234")});
              }),
              HasSubstr("no UTF-8"));
  EXPECT_EQ(ReadText(folder / "x"), "old");
  EXPECT_EQ(folder.CountFiles(), 1u);
}

TEST(Safetensors, AFullDiskLeavesTheOldFileWholeAndNothingBeside) {
  ScratchFolder folder;
  WriteSafetensors(folder / "x", {{"a", {DType::kU8, {3}, Bytes("old")}}});
  const std::string before = ReadText(folder / "x");
  const std::string large(1 << 20, 'n');
  // A limit on file sizes stands for the full disk: write() fails half way through.
  rlimit unlimited{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &unlimited), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{100'000, unlimited.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message;
  try {
    WriteSafetensors(folder / "x", {{"a", {DType::kU8, {1 << 20}, Bytes(large)}}});
  } catch (const DataError& error) {
    message = error.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &unlimited);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(message, HasSubstr("could not be saved"));
  EXPECT_THAT(message, HasSubstr("an earlier file of this name is unharmed"));
  EXPECT_EQ(ReadText(folder / "x"), before);
  EXPECT_EQ(folder.CountFiles(), 1u);
}

TEST(Safetensors, OnlyRegularFilesAreReplaced) {
  EXPECT_THAT(DataErrorOf([] { WriteSafetensors("/dev/full", {}); }), HasSubstr("no regular file"));
  ScratchFolder folder;
  EXPECT_THAT(DataErrorOf([&] { WriteSafetensors(folder.path(), {}); }),
              HasSubstr("no regular file"));
  EXPECT_THAT(DataErrorOf([&] { WriteSafetensors(folder / "no/folder/x", {}); }),
              HasSubstr("does the folder"));
}

TEST(SafetensorsDir, ReadsOneFileOrTheShardsThatTheMapNames) {
  ScratchFolder folder;
  EXPECT_THAT(DataErrorOf([&] { SafetensorsDir::Open(folder.path()); }),
              HasSubstr("holds neither"));
  WriteSafetensors(folder / "one", {{"a", {DType::kU8, {1}, Bytes("1")}},
                                    {"unlisted", {DType::kU8, {1}, Bytes("9")}}});
  WriteSafetensors(folder / "two",
                   {{"b", {DType::kU8, {1}, Bytes("2")}}, {"c", {DType::kU8, {1}, Bytes("3")}}});
  const std::string index = folder / "model.safetensors.index.json";
  WriteText(index, R"({"metadata":{"total_size":3},"weight_map":{"c":"two","a":"one","b":"two"}})");
  const SafetensorsDir sharded = SafetensorsDir::Open(folder.path());
  ASSERT_EQ(sharded.tensors().size(), 3u);
  EXPECT_EQ(sharded.tensors().at("c").bytes[0], std::byte{'3'});
  WriteSafetensors(folder / "model.safetensors", {{"x", {DType::kU8, {1}, Bytes("1")}}});
  EXPECT_EQ(SafetensorsDir::Open(folder.path()).tensors().size(), 1u);
}

TEST(SafetensorsDir, AMapThatDoesNotHoldIsRefused) {
  ScratchFolder folder;
  WriteSafetensors(folder / "one", {{"a", {DType::kU8, {1}, Bytes("1")}}});
  const auto with = [&](const std::string& index) {
    WriteText(folder / "model.safetensors.index.json", index);
    return DataErrorOf([&] { SafetensorsDir::Open(folder.path()); });
  };
  EXPECT_THAT(with("{"), HasSubstr("is no JSON"));
  EXPECT_THAT(with("[]"), HasSubstr("weight_map"));
  EXPECT_THAT(with(R"({"weight_map":{"a":1}})"), HasSubstr("no string"));
  EXPECT_THAT(with(R"({"weight_map":{"a":"one","b":"one"}})"), HasSubstr("index.json: tensor 'b' is missing from 'one', where weight_map says"));
  EXPECT_THAT(with(R"({"weight_map":{"a":"one","b":"gone"}})"),
              AllOf(HasSubstr("gone: is not there, and "), HasSubstr("model.safetensors.index.json asks for it; bring")));
  EXPECT_THAT(with(R"({"weight_map":{"a":"../one"}})"), HasSubstr("no file name of this folder"));
  EXPECT_THAT(with(R"({"weight_map":{"a":"one","a":"two"}})"), HasSubstr("occurs twice"));
}

RC_GTEST_PROP(Safetensors, AnyTensorsSurviveARoundTrip, ()) {
  const std::string path = testing::TempDir() + "cogent-roundtrip-" + std::to_string(::getpid());
  const auto content = *rc::gen::container<std::map<std::string, std::string>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127))),
      rc::gen::arbitrary<std::string>());
  std::map<std::string, TensorView> tensors;
  for (const auto& [name, data] : content) {
    tensors[name] = {DType::kI8, {1, static_cast<std::int64_t>(data.size())}, Bytes(data)};
  }
  WriteSafetensors(path, tensors);
  const SafetensorsFile file = SafetensorsFile::Open(path);
  std::filesystem::remove(path);
  RC_ASSERT(file.tensors().size() == content.size());
  for (const auto& [name, data] : content) {
    const TensorView& view = file.Get(name);
    RC_ASSERT(view.shape == tensors[name].shape);
    RC_ASSERT(std::string(reinterpret_cast<const char*>(view.bytes.data()), view.bytes.size()) ==
              data);
  }
}

RC_GTEST_PROP(Safetensors, AFlippedByteIsReadOrRefusedButNeverOutOfBounds, (std::uint8_t flip)) {
  std::string file = FileOf(kTwo, 11);
  file[*rc::gen::inRange<std::size_t>(0, file.size())] ^= static_cast<char>(flip);
  try {
    const SafetensorsFile read = SafetensorsFile::Parse(Bytes(file), "f");
    for (const auto& [name, view] : read.tensors()) {
      RC_ASSERT(reinterpret_cast<const char*>(view.bytes.data()) + view.bytes.size() <=
                file.data() + file.size());
    }
  } catch (const DataError&) {
  }
}

}  // namespace
}  // namespace cogent
