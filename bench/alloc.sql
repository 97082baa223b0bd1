SELECT range_alloc('blocks', 10);
