SELECT count(:what) FROM generate_series(1, 100);
