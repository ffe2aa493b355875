-- A user that may only read is all that the tool needs. Give it a password of your own.

create user reader identified by 'reader-not-a-secret';
grant select on shop.* to reader;
