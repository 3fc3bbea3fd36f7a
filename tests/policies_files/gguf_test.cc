#include "policies/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "policies/safetensors.h"
#include "tests/policies_files/files_test_util.h"

namespace cogent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Writer = GgufWriter;

Writer Header(std::uint64_t tensors, std::uint64_t keys, std::uint32_t version = 3) { return GgufHeader(tensors, keys, version); }

std::string Refusal(const Writer& file) {
  return DataErrorOf([&] { GgufFile::Parse(Bytes(file.bytes()), "m.gguf"); });
}

TEST(Gguf, EveryTypeOfMetadataIsRead) {
  Writer file = Header(0, 14);
  file.Key("u8", 0).Put(std::uint8_t{200}).Key("i8", 1).Put(std::int8_t{-5});
  file.Key("u16", 2).Put(std::uint16_t{60000}).Key("i16", 3).Put(std::int16_t{-300});
  file.Key("u32", 4).Put(4000000000u).Key("i32", 5).Put(-7);
  file.Key("f32", 6).Put(0.5f).Key("bool", 7).Put(std::uint8_t{1});
  file.Key("text", 8).Text("h\u00e9").Key("u64", 10).Put(~std::uint64_t{0});
  file.Key("i64", 11).Put(std::int64_t{-9}).Key("f64", 12).Put(1e-300);
  file.Key("texts", 9).Put(8u).Put(std::uint64_t{2}).Text("a").Text("");
  file.Key("numbers", 9).Put(5u).Put(std::uint64_t{2}).Put(-1).Put(2);
  const GgufFile read = GgufFile::Parse(Bytes(file.bytes()), "m");
  EXPECT_EQ(read.metadata().size(), 14u);
  EXPECT_EQ(read.Integer("u8"), 200);
  EXPECT_EQ(read.Integer("i8"), -5);
  EXPECT_EQ(read.Integer("u16"), 60000);
  EXPECT_EQ(read.Integer("i16"), -300);
  EXPECT_EQ(read.Integer("u32"), 4000000000);
  EXPECT_EQ(read.Integer("i32"), -7);
  EXPECT_EQ(read.Integer("i64"), -9);
  EXPECT_EQ(read.Number("f32"), 0.5);
  EXPECT_EQ(read.Number("f64"), 1e-300);
  EXPECT_EQ(read.Number("i32"), -7.0);
  EXPECT_TRUE(read.Bool("bool"));
  EXPECT_EQ(read.Text("text"), "h\u00e9");
  EXPECT_THAT(read.Texts("texts"), ElementsAre("a", ""));
  EXPECT_THAT(read.Integers("numbers"), ElementsAre(-1, 2));
  EXPECT_THAT(read.Numbers("numbers"), ElementsAre(-1.0, 2.0));
  EXPECT_THAT(DataErrorOf([&] { read.Integer("u64"); }), HasSubstr("m: key 'u64' holds no whole"));
  EXPECT_THAT(DataErrorOf([&] { read.Text("u8"); }), HasSubstr("m: key 'u8' holds no text"));
  EXPECT_THAT(DataErrorOf([&] { read.Texts("numbers"); }), HasSubstr("holds no list of texts"));
  EXPECT_THAT(DataErrorOf([&] { read.Integers("texts"); }), HasSubstr("holds no list of whole"));
  EXPECT_THAT(DataErrorOf([&] { read.Bool("none"); }), HasSubstr("key 'none' is missing"));
}

// Independent of this reader: the names and shapes that the fixture's safetensors file has.
TEST(Gguf, TensorsOfEveryBlockTypeHaveTheirShapesAndSizes) {
  const GgufFile file = GgufFile::Open(Stored("parity/gguf/blocks.gguf"));
  const auto expected = SafetensorsFile::Open(Stored("parity/gguf/blocks.expected.safetensors"));
  ASSERT_EQ(file.tensors().size(), expected.tensors().size());
  std::set<GgufType> types;
  for (const auto& [name, tensor] : file.tensors()) {
    ASSERT_TRUE(expected.Has(name)) << name;
    EXPECT_EQ(tensor.shape, expected.Get(name).shape) << name;
    std::size_t values = 1;
    for (const std::int64_t size : tensor.shape) values *= static_cast<std::size_t>(size);
    const GgufBlock& block = BlockOf(tensor.type);
    EXPECT_EQ(tensor.bytes.size(), values / block.values * block.bytes) << name;
    // Plain 32-bit numbers are stored as they are, so the bytes tell whether the place is right.
    if (tensor.type == GgufType::kF32) {
      EXPECT_EQ(std::memcmp(tensor.bytes.data(), expected.Get(name).bytes.data(), values * 4), 0);
    }
    types.insert(tensor.type);
  }
  EXPECT_GE(types.size(), 11u);
}

TEST(Gguf, TheAlignmentOfTheFileHolds) {
  Writer file = Header(2, 1);
  file.Key("general.alignment", 4).Put(8u);
  file.Tensor("a", {3}, 24, 0).Tensor("b", {2, 1}, 25, 8).Data(8, 12);
  const GgufFile read = GgufFile::Parse(Bytes(file.bytes()), "m");
  EXPECT_EQ(read.Get("b").shape, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(read.Get("b").bytes[0], std::byte{8});
  EXPECT_THAT(DataErrorOf([&] { read.Get("c"); }), HasSubstr("m: tensor 'c' is missing"));
}

TEST(Gguf, LengthsThatLieAreRefused) {
  EXPECT_THAT(Refusal(Writer()), HasSubstr("m.gguf: header: does not start with GGUF"));
  EXPECT_THAT(Refusal(Header(0, 0, 1)), HasSubstr("version 1 cannot be read; known: 2, 3"));
  EXPECT_THAT(Refusal(Header(0, 0, 0x03000000)), HasSubstr("little-endian"));
  EXPECT_THAT(Refusal(Header(1u << 30, 0)), HasSubstr("claims 1073741824 tensors"));
  EXPECT_THAT(Refusal(Header(0, ~std::uint64_t{0})), HasSubstr("claims 18446744073709551615 keys"));
  EXPECT_THAT(Refusal(Header(0, 1).Put(std::uint64_t{1} << 40).Put(std::uint64_t{0})),
              HasSubstr("key 0: the key takes 1099511627776 bytes, but only 8 follow"));
  EXPECT_THAT(Refusal(Header(0, 1).Key("k", 8).Put(std::uint64_t{9})),
              HasSubstr("key 'k': the text takes 9 bytes"));
  EXPECT_THAT(Refusal(Header(0, 1).Key("k", 9).Put(8u).Put(std::uint64_t{1} << 61)),
              HasSubstr("key 'k': claims 2305843009213693952 elements"));
  EXPECT_THAT(Refusal(Header(0, 1).Key("k", 13)), HasSubstr("key 'k': type 13 is not known"));
  EXPECT_THAT(Refusal(Header(0, 1).Key("k", 7).Put(std::uint8_t{2})), HasSubstr("neither 0 nor 1"));
  EXPECT_THAT(Refusal(Header(0, 2).Key("k", 0).Put(std::uint8_t{2}).Key("k", 4).Put(2u)),
              HasSubstr("key 'k': occurs twice"));
  EXPECT_THAT(Refusal(Header(0, 1).Key("", 4).Put(0u)), HasSubstr("has 0 bytes; allowed: 1 to"));
  Writer nested = Header(0, 1);
  nested.Key("k", 9);
  for (int i = 0; i < 9; ++i) nested.Put(9u).Put(std::uint64_t{1});
  EXPECT_THAT(Refusal(nested), HasSubstr("lists are nested more than"));
  Writer alignment = Header(0, 1);
  alignment.Key("general.alignment", 4).Put(12u);
  EXPECT_THAT(Refusal(alignment), HasSubstr("'general.alignment': is no multiple of 8"));
}

TEST(Gguf, TensorsThatCannotBeAreRefusedByName) {
  const std::vector<std::pair<Writer, const char*>> cases = {
      {Header(1, 0).Tensor("t", {4}, 0, 0).Data(32, 15), "tensor 't': its 16 bytes from offset 0"},
      {Header(1, 0).Tensor("t", {4}, 0, ~std::uint64_t{31}).Data(32, 64),
       "lie beyond the 64 bytes"},
      {Header(1, 0).Tensor("t", {4}, 0, 4).Data(32, 64),
       "offset 4 is no multiple of the alignment"},
      {Header(1, 0).Tensor("t", {33}, 2, 0).Data(32, 64), "rows of 33 values are no whole blocks"},
      {Header(1, 0).Tensor("t", {1}, 99, 0).Data(32, 64),
       "block type 99 cannot be read; known: F32"},
      {Header(1, 0).Tensor("t", {1, 1, 1, 1, 1}, 0, 0).Data(32, 64), "has 5 dimensions"},
      {Header(1, 0).Tensor("t", {1ull << 62, 1ull << 62}, 0, 0).Data(32, 64), "too large for any"},
      {Header(1, 0).Tensor("t", {~0ull}, 0, 0).Data(32, 64), "a dimension is too large"},
      {Header(2, 0).Tensor("t", {1}, 0, 0).Tensor("t", {1}, 0, 32).Data(32, 64),
       "'t': occurs twice"},
      {Header(2, 0).Tensor("a", {9}, 0, 0).Tensor("b", {1}, 0, 32).Data(32, 64),
       "tensor 'b': its data overlap those of tensor 'a'"}};
  for (const auto& [file, message] : cases) EXPECT_THAT(Refusal(file), HasSubstr(message));
}

TEST(Gguf, AFileCutAnywhereIsRefused) {
  const std::string whole = ReadText(Stored("parity/gguf/blocks.gguf"));
  for (std::size_t length = 0; length < whole.size(); length += length < 2000 ? 1 : 97) {
    EXPECT_THROW(GgufFile::Parse(Bytes(std::string_view(whole).substr(0, length)), "m"), DataError)
        << length;
  }
  EXPECT_THAT(DataErrorOf([] { GgufFile::Open("/nowhere/m.gguf"); }),
              HasSubstr("cannot be opened"));
}

}  // namespace
}  // namespace cogent
