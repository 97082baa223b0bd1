INSERT INTO :what (payload) VALUES ('nine more');
