/* SPDX-License-Identifier: MIT */
#include "labels.h"

#include <stdio.h>
#include <stdlib.h>

#include <check.h>

#define ACQUIRES 3000

static bool keep(struct labels *labels, uint64_t acquire_id)
{
    char value[32];
    const struct permit_label label = {"id", value};

    (void)snprintf(value, sizeof(value), "%llu",
                   (unsigned long long)acquire_id);
    return labels_keep(labels, acquire_id, &label, 1);
}

static void assert_kept(const struct labels *labels, uint64_t acquire_id,
                        bool is_kept)
{
    const struct permit_label *found;

    ck_assert_uint_eq(labels_find(labels, acquire_id, &found), is_kept);
    ck_assert((found != NULL) == is_kept);
    if (is_kept) {
        ck_assert_uint_eq(strtoull(found->value, NULL, 10), acquire_id);
    }
}

/* Against an array that says which are kept: ids with gaps, dropped in any
 * order, so that entries move. */
START_TEST(each_acquire_finds_its_own_until_they_are_dropped)
{
    static bool kept[2 * ACQUIRES];
    struct labels labels = {0};
    uint32_t count = 0;

    srand(1);
    for (uint64_t id = 1; id < 2 * ACQUIRES; id += 1 + (uint64_t)rand() % 2) {
        uint64_t other = (uint64_t)rand() % id;

        ck_assert(keep(&labels, id));
        kept[id] = true;
        if (rand() % 100 < (id < ACQUIRES ? 70 : 100)) {
            labels_drop(&labels, other);
            kept[other] = false;
        }
        assert_kept(&labels, other, kept[other]);
        assert_kept(&labels, id, kept[id]);
    }
    for (uint64_t id = 0; id < 2 * ACQUIRES; id++) {
        assert_kept(&labels, id, kept[id]);
        count += kept[id];
    }
    ck_assert_uint_eq(labels.kept, count);
    ck_assert_uint_gt(count, 100);
    labels_deinit(&labels);
    ck_assert_ptr_null(labels.entries);
}
END_TEST

START_TEST(dropped_ones_make_room)
{
    struct labels labels = {0};
    uint32_t capacity;

    for (uint64_t id = 1; id <= 100; id++) {
        ck_assert(keep(&labels, id));
    }
    capacity = labels.capacity;
    for (uint64_t id = 101; id <= ACQUIRES; id++) {
        ck_assert(keep(&labels, id));
        labels_drop(&labels, id - 100);
    }
    ck_assert_uint_le(labels.capacity, 2 * capacity);
    for (uint64_t id = 1; id <= ACQUIRES; id++) {
        assert_kept(&labels, id, id > ACQUIRES - 100);
    }
    labels_deinit(&labels);
}
END_TEST

START_TEST(without_any_left_they_take_no_memory)
{
    struct labels labels = {0};

    labels_drop(&labels, 1);
    assert_kept(&labels, 1, false);
    for (uint64_t id = 1; id <= 100; id++) {
        ck_assert(keep(&labels, id));
    }
    for (uint64_t id = 100; id >= 1; id--) {
        labels_drop(&labels, id);
        labels_drop(&labels, id);
    }
    ck_assert_ptr_null(labels.entries);
    /* The newest may come again, for its acquire was not begun. */
    ck_assert(keep(&labels, 100));
    assert_kept(&labels, 100, true);
    labels_deinit(&labels);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("labels");
    TCase *tcase = tcase_create("labels");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, each_acquire_finds_its_own_until_they_are_dropped);
    tcase_add_test(tcase, dropped_ones_make_room);
    tcase_add_test(tcase, without_any_left_they_take_no_memory);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
