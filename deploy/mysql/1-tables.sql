-- The tables of a small shop, for MySQL and MariaDB: what config/sync_mappings.example.yml reads.

create table customers (
    id int unsigned not null auto_increment primary key,
    name varchar(200) not null,
    email varchar(200),
    balance decimal(12, 2) not null default 0,
    status varchar(20) not null default 'new',
    signup_date date,
    notes text,
    updated_at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6),
    -- without it each run reads the whole table
    key (updated_at)
) character set utf8mb4;

create table orders (
    id int unsigned not null auto_increment primary key,
    number varchar(20) not null unique,
    customer_id int unsigned not null,
    total decimal(12, 2) not null,
    status varchar(20) not null default 'open',
    paid boolean not null default false,
    ordered_on date not null,
    updated_at timestamp(6) not null default current_timestamp(6) on update current_timestamp(6),
    key (updated_at),
    foreign key (customer_id) references customers (id)
) character set utf8mb4;
