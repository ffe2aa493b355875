-- A database for each account, beside the control database.
create database acme;
create database initech;
create database globex;
