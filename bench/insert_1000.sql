INSERT INTO :what (payload) SELECT 'nine more' FROM generate_series(1, 1000);
