#include <string>

#include <gtest/gtest.h>

#include "core/system/file.h"
#include "data/safetensors/safetensors.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {

class SafetensorsModelTest : public ::testing::Test {
 protected:
  void write(const std::string& file, std::initializer_list<const char*> names) const {
    std::vector<SafetensorsOutput> arrays;
    for (const char* name : names) {
      arrays.push_back({name, Tensor::from<float>({1}, {static_cast<float>(name[0])})});
    }
    write_safetensors(directory_ / file, arrays);
  }
  void write_index(const std::string& weight_map) const {
    write_quickly(directory_ / "model.safetensors.index.json",
                  R"({"metadata":{"total_size":8},"weight_map":)" + weight_map + "}");
  }
  void expect_bad(std::initializer_list<std::string_view> parts) const {
    expect_error(ErrorKind::BadData, parts, [&] { SafetensorsModel model(directory_.path()); });
  }
  TemporaryDirectory directory_;
};

TEST_F(SafetensorsModelTest, ReadsOneFileOrTheShardsOfAnIndex) {
  EXPECT_FALSE(has_safetensors(directory_.path()));
  write("one.safetensors", {"c", "a"});
  write("two.safetensors", {"b"});
  write_index(R"({"a":"one.safetensors","b":"two.safetensors","c":"one.safetensors"})");
  EXPECT_TRUE(has_safetensors(directory_.path()));
  {
    const SafetensorsModel model(directory_.path());
    ASSERT_EQ(model.arrays().size(), 3u);
    EXPECT_EQ(model.files().size(), 2u);
    for (const char* name : {"a", "b", "c"}) {
      ASSERT_NE(model.find(name), nullptr);
      const Tensor value = Tensor::empty({1}, DType::F64);
      read_floats(*model.find(name), value);
      EXPECT_EQ(value.item(), name[0]);
    }
    EXPECT_EQ(model.find("d"), nullptr);
  }
  write("model.safetensors", {"x"});  // comes first, as in the original
  EXPECT_NE(SafetensorsModel(directory_.path()).find("x"), nullptr);
}

TEST_F(SafetensorsModelTest, FilesOutsideTheDirectoryAreNotOpened) {
  write("one.safetensors", {"a"});
  for (const std::string name :
       {"../one.safetensors", "/etc/one.safetensors", "sub/one.safetensors", "./one.safetensors",
        "..", "", "one.bin", "one.safetensors\\u0000.safetensors"}) {
    write_index(R"({"a":")" + name + "\"}");
    expect_bad({"index.json", "plain names", "'a'"});
  }
  write_index(R"({"a":1})");
  expect_bad({"plain names"});
}

TEST_F(SafetensorsModelTest, IndexAndShardsMustAgree) {
  write("one.safetensors", {"a", "b"});
  write("two.safetensors", {"b"});
  write_index(R"({"a":"one.safetensors"})");
  expect_bad({"one.safetensors", "'b'", "does not list"});
  write_index(R"({"a":"one.safetensors","b":"one.safetensors","c":"one.safetensors"})");
  expect_bad({"holds 2 arrays", "lists 3"});
  write_index(R"({"a":"one.safetensors","b":"two.safetensors"})");
  expect_bad({"'b'", "does not list"});
  write_index(R"({})");
  expect_bad({"lists no arrays"});
  write_index("[]");
  expect_bad({"weight_map"});
  write_quickly(directory_ / "model.safetensors.index.json", "{");
  expect_bad({"index.json", "JSON"});
  write_index(R"({"a":"gone.safetensors"})");
  expect_error(ErrorKind::MissingInput, {"gone.safetensors"},
               [&] { SafetensorsModel model(directory_.path()); });
}

TEST_F(SafetensorsModelTest, ADirectoryWithoutSafetensorsIsMissingInput) {
  expect_error(ErrorKind::MissingInput, {"model.safetensors", "index.json"},
               [&] { SafetensorsModel model(directory_.path()); });
}

}  // namespace
}  // namespace krait
