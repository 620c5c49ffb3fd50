ALTER TABLE `job_definitions` ADD `registered_ms` bigint unsigned;--> statement-breakpoint
ALTER TABLE `job_definitions` ADD `registrations` smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `job_definitions` ADD `unknown_ms` bigint unsigned;--> statement-breakpoint
ALTER TABLE `submissions` ADD `blocked_ms` bigint unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `blocked` text;