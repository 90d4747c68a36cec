#include "data/hdf5/hdf5.h"

#include <csignal>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/random.h"
#include "tests/support/temporary_directory.h"

namespace krait {
namespace {
namespace fs = std::filesystem;

std::vector<double> ramp(std::size_t n, double step) {
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<double>(i) * step;
  return values;
}

// Made once by h5py 3 in its default (old) format: arrays of several types, gzip + shuffle +
// fletcher32 chunks, strings, NumPy booleans, and datasets that are incomplete or of unsupported
// form.
Hdf5File numpy_file() {
  return Hdf5File::open(fs::path(KRAIT_SOURCE_DIR) / "tests/data/hdf5/numpy.h5");
}

TEST(Hdf5, WhatIsWrittenIsRead) {
  const TemporaryDirectory directory;
  const std::vector<double> doubles = ramp(24, 0.1);
  const std::vector<std::uint16_t> words = {0, 1, 65535};
  {
    Hdf5File file = Hdf5File::create(directory / "a.h5");
    file.write<double>("group/sub/doubles", {2, 3, 4}, doubles);
    file.write<std::uint16_t>("words", {3}, words, Hdf5Layout::Contiguous);
    file.write<float>("group/scalar", {}, std::vector<float>{1.5f});
    file.write<std::int64_t>("group/none", {0, 4}, {});
    file.create_group("empty");
    file.write_attribute("/", "text", "hello \xc2\xb5");
    file.write_attribute("group", "count", 7);
    file.write_attribute("group", "rate", 0.25);
    file.write_attribute("words", "flag", true);
    file.write_attribute("words", "nothing", std::string());
    file.close();
  }
  const Hdf5File file = Hdf5File::open(directory / "a.h5");
  EXPECT_EQ(file.groups(), (std::vector<std::string>{"empty", "group"}));
  EXPECT_EQ(file.datasets(), (std::vector<std::string>{"words"}));
  EXPECT_EQ(file.datasets("group"), (std::vector<std::string>{"none", "scalar"}));
  EXPECT_TRUE(file.has("/group//sub/doubles"));
  EXPECT_FALSE(file.has("group/doubles"));
  EXPECT_FALSE(file.has("words/below"));
  const auto read = file.read<double>("group/sub/doubles");
  EXPECT_EQ(read.shape, (Shape{2, 3, 4}));
  EXPECT_EQ(read.values, doubles);
  EXPECT_EQ(file.read<std::uint16_t>("words").values, words);
  EXPECT_EQ(file.read<std::int32_t>("words").values, (std::vector<std::int32_t>{0, 1, 65535}));
  EXPECT_EQ(file.read<float>("group/scalar").shape, Shape{});
  EXPECT_EQ(file.read<std::int64_t>("group/none").shape, (Shape{0, 4}));
  EXPECT_EQ(file.attribute<std::string>("/", "text"), "hello \xc2\xb5");
  EXPECT_EQ(file.attribute<std::int64_t>("group", "count"), 7);
  EXPECT_EQ(file.attribute<double>("group", "rate"), 0.25);
  EXPECT_EQ(file.attribute<bool>("words", "flag"), true);
  EXPECT_EQ(file.attribute<std::string>("words", "nothing"), "");
  EXPECT_EQ(file.attributes("words"), (std::vector<std::string>{"flag", "nothing"}));
  EXPECT_FALSE(file.has_attribute("words", "text"));
}

TEST(Hdf5, FilesMadeByH5pyAreRead) {
  const Hdf5File file = numpy_file();
  const std::vector<double> expected = ramp(12, 0.25);
  for (const char* name : {"f64", "f32", "f16", "big_endian"}) {
    const auto array = file.read<double>(str("case/", name));
    EXPECT_EQ(array.shape, (Shape{3, 4})) << name;
    EXPECT_EQ(array.values, expected) << name;
  }
  EXPECT_EQ(file.read<float>("case/f64").values[5], 1.25f);
  EXPECT_EQ(file.read<double>("case/scalar").values, (std::vector<double>{2.5}));
  EXPECT_EQ(file.read<double>("case/none").shape, (Shape{0, 3}));
  std::vector<std::int64_t> counted(3000);
  std::iota(counted.begin(), counted.end(), 0);
  EXPECT_EQ(file.read<std::int64_t>("case/packed").values, counted);
  EXPECT_EQ(file.read<std::int32_t>("case/i64").values, (std::vector<std::int32_t>{-5, 0, 7}));
  EXPECT_EQ(file.read<std::int32_t>("case/i16").values, (std::vector<std::int32_t>{-300, 300}));
  EXPECT_EQ(file.read<std::uint64_t>("case/u64").values[0], ~std::uint64_t{0});
  EXPECT_EQ(file.read<std::uint8_t>("case/booleans").values, (std::vector<std::uint8_t>{1, 0, 1}));
  EXPECT_EQ(file.attribute<std::string>("/", "about"), "variable text, \xc2\xb5");
  EXPECT_EQ(file.attribute<std::string>("/", "fixed"), "fixed text");
  EXPECT_EQ(file.attribute<std::int64_t>("case", "count"), -3);
  EXPECT_EQ(file.attribute<double>("case", "count"), -3.0);
  EXPECT_EQ(file.attribute<std::int64_t>("case", "small"), 200);
  EXPECT_EQ(file.attribute<double>("case", "rate"), 0.5);
  EXPECT_TRUE(file.attribute<bool>("case", "yes"));
  EXPECT_FALSE(file.attribute<bool>("case", "no"));
}

TEST(Hdf5, WhatDoesNotFitTheTypeAskedForIsAnError) {
  const Hdf5File file = numpy_file();
  const auto refused = [](std::initializer_list<std::string_view> parts, auto&& body) {
    expect_error(ErrorKind::BadData, parts, body);
  };
  refused({"numpy.h5'", "'case/large'", "1099511627776"},
          [&] { file.read<std::int32_t>("case/large"); });
  refused({"'case/u64'"}, [&] { file.read<std::int64_t>("case/u64"); });
  refused({"'case/i64'", "-5"}, [&] { file.read<std::uint64_t>("case/i64"); });
  refused({"must hold floating-point"}, [&] { file.read<float>("case/i64"); });
  refused({"must hold integers"}, [&] { file.read<std::int32_t>("case/f64"); });
  refused({"must hold floating-point"}, [&] { file.read<double>("case/complex"); });
  refused({"must hold integers"}, [&] { file.read<std::uint8_t>("case/names"); });
  refused({"'case@big'", "too large"}, [&] { file.attribute<std::int64_t>("case", "big"); });
  refused({"must be an integer"}, [&] { file.attribute<std::int64_t>("case", "rate"); });
  refused({"must be a string"}, [&] { file.attribute<std::string>("case", "rate"); });
  refused({"must be true or false"}, [&] { file.attribute<bool>("case", "count"); });
  refused({"must hold one value"}, [&] { file.attribute<std::int64_t>("case", "vector"); });
}

TEST(Hdf5, WhatIsNotThereIsAnErrorThatNamesIt) {
  const Hdf5File file = numpy_file();
  expect_error(ErrorKind::BadData, {"numpy.h5', 'case/absent'", "no such object"},
               [&] { file.read<double>("case/absent"); });
  expect_error(ErrorKind::BadData, {"'case@absent'", "no such attribute"},
               [&] { file.attribute<double>("case", "absent"); });
  expect_error(ErrorKind::BadData, {"'case'", "not a dataset"}, [&] { file.read<double>("case"); });
  expect_error(ErrorKind::BadData, {"not a group"}, [&] { file.groups("case/f64"); });
  expect_error(ErrorKind::MissingInput, {"no/such.h5'"}, [] { Hdf5File::open("no/such.h5"); });
  expect_error(ErrorKind::BadData, {"not a regular file"}, [] { Hdf5File::open("/dev/null"); });
}

TEST(Hdf5, IncompleteDataAndUnknownFiltersAreRefused) {
  const Hdf5File file = numpy_file();
  expect_error(ErrorKind::BadData, {"'case/never'"}, [&] { file.read<double>("case/never"); });
  expect_error(ErrorKind::BadData, {"'case/holes'", "1 of its 100 chunks"},
               [&] { file.read<double>("case/holes"); });
  expect_error(ErrorKind::BadData, {"'case/lzf'", "filter 32000"},
               [&] { file.read<double>("case/lzf"); });
  expect_error(ErrorKind::BadData, {"'case/empty'"}, [&] { file.read<double>("case/empty"); });
}

TEST(Hdf5, ReadIntoNeedsTheExactShapeAndType) {
  const Hdf5File file = numpy_file();
  std::vector<float> room(12);
  file.read_into<float>("case/f32", {3, 4}, room);
  EXPECT_EQ(room[11], 2.75f);
  expect_error(ErrorKind::BadData, {"must have shape (4, 3), got (3, 4)"}, [&] {
    file.read_into<float>("case/f32", {4, 3}, room);
  });
  expect_error(ErrorKind::BadData, {"must hold f32, got f64"}, [&] {
    file.read_into<float>("case/f64", {3, 4}, room);
  });
}

// A file with what Krait never follows, made with the library itself.
fs::path hostile_file(const TemporaryDirectory& directory) {
  const fs::path path = directory / "hostile.h5";
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_soft("/target", file, "soft", H5P_DEFAULT, H5P_DEFAULT);
  H5Lcreate_external("/etc/passwd", "/", file, "external_link", H5P_DEFAULT, H5P_DEFAULT);
  const hsize_t size = 4;
  const hid_t space = H5Screate_simple(1, &size, nullptr);
  const hid_t external = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_external(external, "/etc/passwd", 0, 32);
  H5Dclose(
      H5Dcreate2(file, "external", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, external, H5P_DEFAULT));
  const hid_t mapped = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_virtual(mapped, space, "other.h5", "/x", space);
  H5Dclose(H5Dcreate2(file, "virtual", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, mapped, H5P_DEFAULT));
  for (const hid_t id : {external, mapped}) H5Pclose(id);
  H5Sclose(space);
  H5Fclose(file);
  return path;
}

TEST(Hdf5, LinksAndDataOutsideTheFileAreRefused) {
  const TemporaryDirectory directory;
  const Hdf5File file = Hdf5File::open(hostile_file(directory));
  const auto refused = [&](std::string_view why, auto&& body) {
    expect_error(ErrorKind::BadData, {"hostile.h5'", why}, body);
  };
  refused("links are refused", [&] { file.has("soft"); });
  refused("links are refused", [&] { file.groups("external_link"); });
  refused("'external_link' is soft or external", [&] { file.datasets(); });
  refused("external storage are refused", [&] { file.read<double>("external"); });
  refused("virtual datasets", [&] { file.info("virtual"); });
}

TEST(Hdf5, ADatasetIsWrittenOnceAndAGroupMayBeThere) {
  const TemporaryDirectory directory;
  Hdf5File file = Hdf5File::create(directory / "a.h5");
  file.create_group("g/h");
  file.create_group("g");
  file.write<double>("g/x", {1}, ramp(1, 1));
  expect_error(ErrorKind::BadData, {"a.h5', 'g/x': cannot create it", "name already exists"},
               [&] { file.write<double>("g/x", {1}, ramp(1, 1)); });
}

TEST(Hdf5, AMappedDatasetIsWhereInfoSays) {
  const TemporaryDirectory directory;
  std::vector<std::uint32_t> values(100'000);
  std::iota(values.begin(), values.end(), 5u);
  Hdf5File out = Hdf5File::create(directory / "a.h5", 4096);
  out.create_dataset<std::uint32_t>("tokens", values.size(), Hdf5Layout::Contiguous);
  out.write_at<std::uint32_t>("tokens", 60'000, std::span(values).subspan(60'000));
  out.write_at<std::uint32_t>("tokens", 0, std::span(values).first(60'000));
  out.close();
  const Hdf5File file = Hdf5File::open(directory / "a.h5");
  const Hdf5DatasetInfo info = file.info("tokens");
  EXPECT_EQ(info.type, Hdf5Type::U32);
  EXPECT_EQ(info.shape, (Shape{100'000}));
  EXPECT_TRUE(info.contiguous);
  EXPECT_EQ(info.offset % 4096, 0u);
  const MappedFile map(directory / "a.h5");
  const auto* mapped = reinterpret_cast<const std::uint32_t*>(map.bytes().data() + info.offset);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), mapped));
  EXPECT_EQ(file.read<std::uint32_t>("tokens").values, values);
}

TEST(Hdf5, LargeTensorsOfAnyShapeComeBackThroughChunks) {
  const TemporaryDirectory directory;
  const Shape shapes[] = {{1, 300'000}, {300'000, 1}, {3, 7, 30'011}, {600, 2, 3, 4, 5, 6}};
  for (const Shape& shape : shapes) {
    std::vector<double> values = ramp(static_cast<std::size_t>(shape.numel()), 1e-3);
    Hdf5File out = Hdf5File::create(directory / "a.h5");
    out.write<double>("x", shape, values);
    out.close();
    const auto array = Hdf5File::open(directory / "a.h5").read<double>("x");
    EXPECT_EQ(array.shape, shape);
    EXPECT_EQ(array.values, values) << shape;
  }
}

TEST(Hdf5, EqualContentsAreEqualFiles) {
  const TemporaryDirectory directory;
  for (const char* name : {"a.h5", "b.h5"}) {
    Hdf5File out = Hdf5File::create(directory / name);
    out.write<double>("g/x", {100}, ramp(100, 1));
    out.write_attribute("g", "n", 3);
    out.close();
    if (name[0] == 'a') ::usleep(1'100'000);  // the format stores times in seconds
  }
  EXPECT_EQ(file_sha256(directory / "a.h5"), file_sha256(directory / "b.h5"));
}

// Every changed byte and every truncation is an error or changes nothing that is read.
TEST(Hdf5, DamageToAChecksummedFileIsNeverReadAsData) {
  const TemporaryDirectory directory;
  const std::vector<double> values = ramp(500, 0.5);
  Hdf5File out = Hdf5File::create(directory / "good.h5");
  out.write<double>("g/x", {500}, values);
  out.write_attribute("g", "n", 3);
  out.close();
  const std::string good = read_file(directory / "good.h5");
  const RandomStream random{.seed = 11};
  int refused = 0, unchanged = 0;
  const auto try_to_read = [&](const std::string& bytes) {
    write_quickly(directory / "bad.h5", bytes);
    try {
      const Hdf5File file = Hdf5File::open(directory / "bad.h5");
      ASSERT_EQ(file.read<double>("g/x").values, values);
      ASSERT_EQ(file.attribute<std::int64_t>("g", "n"), 3);
      ++unchanged;
    } catch (const Error& error) {
      ASSERT_TRUE(error.kind() == ErrorKind::BadData || error.kind() == ErrorKind::Io);
      ++refused;
    }
  };
  for (std::uint64_t i = 0; i < 1500; ++i) {
    std::string bytes = good;
    const Philox4 r = random.bits(i);
    bytes[r[0] % bytes.size()] ^= static_cast<char>(1 + r[1] % 255);
    try_to_read(bytes);
  }
  for (std::size_t n = 0; n < good.size(); n += 37) try_to_read(good.substr(0, n));
  EXPECT_GT(refused, 1000);
  std::cout << refused << " refused, " << unchanged << " read unchanged\n";
}

TEST(Hdf5, AFullDiskIsAnIoErrorThatNamesTheTarget) {
  const TemporaryDirectory directory;
  const auto open_files = [] {
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  write_file_atomic(directory / "a.h5", "old");
  const auto before = open_files();
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t allowed : {100u, 3000u, 100'000u, 700'000u}) {
    const rlimit small{.rlim_cur = allowed, .rlim_max = limit.rlim_max};
    expect_error(ErrorKind::Io, {"a.h5'", "File too large"}, [&] {
      TemporaryFile temporary(directory / "a.h5");
      ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
      Hdf5File out = Hdf5File::create(temporary);
      out.write<double>("x", {100'000}, ramp(100'000, 1));
      out.close();
      temporary.commit();
    });
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(directory.entries(), 1u);
  EXPECT_EQ(read_file(directory / "a.h5"), "old");
  std::cout << open_files() - before << " descriptors left open\n";
}

TEST(Hdf5, SeveralThreadsMayUseFilesAtOnce) {
  const TemporaryDirectory directory;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const fs::path path = directory / std::to_string(t);
      for (int i = 0; i < 10; ++i) {
        Hdf5File out = Hdf5File::create(path);
        out.write<double>("x", {1000}, ramp(1000, t));
        out.close();
        EXPECT_EQ(Hdf5File::open(path).read<double>("x").values, ramp(1000, t));
        EXPECT_THROW(Hdf5File::open(path).read<double>("y"), Error);
      }
    });
  }
}

}  // namespace
}  // namespace krait
