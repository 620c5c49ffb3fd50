ALTER TABLE `task_tags` MODIFY COLUMN `tag_key` varbinary(512) NOT NULL;--> statement-breakpoint
ALTER TABLE `task_tags` MODIFY COLUMN `tag_value` varbinary(1020) NOT NULL;--> statement-breakpoint
ALTER TABLE `tasks` ADD `warnings` mediumtext;--> statement-breakpoint
-- Texts compare byte by byte whatever the database defaults to: owners "ann" and "Ann" are two, and a database made as latin1 would lose characters.
ALTER TABLE `attempts` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `cache_components` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `cache_entries` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `cache_flights` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `cache_outputs` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `job_definitions` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `scatters` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `submissions` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `tasks` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;--> statement-breakpoint
ALTER TABLE `templates` CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
