/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <assert.h>

/* The item, or NULL for 0. */
static void *item_at(const struct tree *tree, uint32_t index)
{
    return index == 0 ? NULL : tree_at(tree, index);
}

static void hand_down(const struct tree *tree, uint32_t index)
{
    struct tree_node *node = tree_at(tree, index);

    assert(index != 0);
    if (tree->hand_down != NULL) {
        tree->hand_down(node, item_at(tree, node->left),
                        item_at(tree, node->right));
    }
}

static void sum_up(const struct tree *tree, uint32_t index)
{
    struct tree_node *node = tree_at(tree, index);

    assert(index != 0);
    node->size = 1 + tree_size(tree, node->left) + tree_size(tree, node->right);
    if (tree->sum != NULL) {
        tree->sum(node, item_at(tree, node->left), item_at(tree, node->right));
    }
}

/* Puts `index` where its parent's link, or the root, points to `old`. */
static void replace_child(const struct tree *tree, uint32_t *root,
                          uint32_t parent, uint32_t old, uint32_t index)
{
    if (parent == 0) {
        assert(*root == old);
        *root = index;
    } else if (tree_at(tree, parent)->left == old) {
        tree_at(tree, parent)->left = index;
    } else {
        assert(tree_at(tree, parent)->right == old);
        tree_at(tree, parent)->right = index;
    }
    if (index != 0) {
        tree_at(tree, index)->parent = parent;
    }
}

/* Makes `index` the parent of its parent. */
static void rotate_up(const struct tree *tree, uint32_t *root, uint32_t index)
{
    struct tree_node *node = tree_at(tree, index);
    uint32_t above = node->parent;
    struct tree_node *parent = tree_at(tree, above);
    bool is_left = parent->left == index;
    uint32_t inner = is_left ? node->right : node->left;

    assert(above != 0);
    hand_down(tree, above);
    hand_down(tree, index);
    replace_child(tree, root, parent->parent, above, index);
    if (is_left) {
        parent->left = inner;
        node->right = above;
    } else {
        parent->right = inner;
        node->left = above;
    }
    parent->parent = index;
    if (inner != 0) {
        tree_at(tree, inner)->parent = above;
    }
    sum_up(tree, above);
    sum_up(tree, index);
}

void tree_insert(const struct tree *tree, uint32_t *root, uint32_t index)
{
    struct tree_node *node = tree_at(tree, index);
    uint32_t parent = 0;
    uint32_t *link = root;

    assert(index != 0);
    while (*link != 0) {
        parent = *link;
        hand_down(tree, parent); /* What was put off is not for a newcomer. */
        link = tree->is_before(node, tree_at(tree, parent))
                   ? &tree_at(tree, parent)->left
                   : &tree_at(tree, parent)->right;
    }
    *link = index;
    node->parent = parent;
    node->left = 0;
    node->right = 0;
    tree_changed(tree, index);
    while (node->parent != 0 &&
           tree_at(tree, node->parent)->priority < node->priority) {
        rotate_up(tree, root, index);
    }
}

/* The child that may become the parent of both; 0 for a leaf. */
static uint32_t upper_child(const struct tree *tree,
                            const struct tree_node *node)
{
    if (node->left == 0 || node->right == 0) {
        return node->left | node->right;
    }
    return tree_at(tree, node->left)->priority >
                   tree_at(tree, node->right)->priority
               ? node->left
               : node->right;
}

void tree_remove(const struct tree *tree, uint32_t *root, uint32_t index)
{
    struct tree_node *node = tree_at(tree, index);
    uint32_t child;

    assert(index != 0 && *root != 0);
    while (node->left != 0 && node->right != 0) {
        rotate_up(tree, root, upper_child(tree, node));
    }
    hand_down(tree, index);
    child = upper_child(tree, node);
    replace_child(tree, root, node->parent, index, child);
    if (node->parent != 0) {
        tree_changed(tree, node->parent);
    }
}

void tree_changed(const struct tree *tree, uint32_t index)
{
    assert(index != 0);
    while (index != 0) {
        sum_up(tree, index);
        index = tree_at(tree, index)->parent;
    }
}

uint32_t tree_size(const struct tree *tree, uint32_t root)
{
    return root == 0 ? 0 : tree_at(tree, root)->size;
}

uint32_t tree_nth(const struct tree *tree, uint32_t root, uint32_t rank)
{
    uint32_t index = root;

    while (index != 0) {
        const struct tree_node *node = tree_at(tree, index);
        uint32_t before = tree_size(tree, node->left);
        if (rank == before) {
            return index;
        }
        if (rank < before) {
            index = node->left;
        } else {
            rank -= before + 1;
            index = node->right;
        }
    }
    return 0;
}

uint32_t tree_next(const struct tree *tree, uint32_t index)
{
    const struct tree_node *node = tree_at(tree, index);

    assert(index != 0);
    if (node->right != 0) {
        index = node->right;
        while (tree_at(tree, index)->left != 0) {
            index = tree_at(tree, index)->left;
        }
        return index;
    }
    while (node->parent != 0 && tree_at(tree, node->parent)->right == index) {
        index = node->parent;
        node = tree_at(tree, index);
    }
    return node->parent;
}

uint32_t tree_check(const struct tree *tree, uint32_t root)
{
    uint32_t count = 0;
    uint32_t depth_max = 0;
    uint32_t last = 0;

    assert(root == 0 || tree_at(tree, root)->parent == 0);
    for (uint32_t i = tree_nth(tree, root, 0); i != 0; i = tree_next(tree, i)) {
        const struct tree_node *node = tree_at(tree, i);
        uint32_t depth = 1;
        assert(last == 0 || tree->is_before(tree_at(tree, last), node));
        assert(node->size ==
               1 + tree_size(tree, node->left) + tree_size(tree, node->right));
        assert(node->parent == 0 ||
               tree_at(tree, node->parent)->priority >= node->priority);
        for (uint32_t j = node->parent; j != 0; j = tree_at(tree, j)->parent) {
            depth++;
        }
        depth_max = depth > depth_max ? depth : depth_max;
        last = i;
        count++;
    }
    assert(count == tree_size(tree, root));
    return depth_max;
}
