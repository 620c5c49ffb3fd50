CREATE TABLE `idempotency_keys` (
	`owner` varchar(64) NOT NULL,
	`digest` binary(32) NOT NULL,
	`request` binary(32) NOT NULL,
	`task_id` bigint unsigned,
	`scatter_id` bigint unsigned,
	`created_ms` bigint unsigned NOT NULL,
	CONSTRAINT `idempotency_keys_owner_digest_pk` PRIMARY KEY(`owner`,`digest`)
);
--> statement-breakpoint
CREATE TABLE `tokens` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`digest` binary(32) NOT NULL,
	`name` varchar(255) NOT NULL,
	`access` mediumtext NOT NULL,
	`created_ms` bigint unsigned NOT NULL,
	`expires_ms` bigint unsigned,
	`revoked_ms` bigint unsigned,
	CONSTRAINT `tokens_id` PRIMARY KEY(`id`),
	CONSTRAINT `tokens_digest` UNIQUE(`digest`)
);
--> statement-breakpoint
CREATE TABLE `cache_denials` (
	`denial_key` binary(16) NOT NULL,
	`owner` varchar(64) NOT NULL,
	`role` text NOT NULL,
	`folder` text NOT NULL,
	`reason` text NOT NULL,
	`since_ms` bigint unsigned NOT NULL,
	`probed_ms` bigint unsigned NOT NULL,
	CONSTRAINT `cache_denials_denial_key` PRIMARY KEY(`denial_key`)
);
--> statement-breakpoint
CREATE TABLE `cache_entries` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`domain` varchar(64) NOT NULL,
	`fingerprint` binary(32) NOT NULL,
	`listed_fingerprint` binary(32) NOT NULL,
	`task_id` bigint unsigned NOT NULL,
	`owner` varchar(64) NOT NULL DEFAULT '',
	`name` varchar(255) NOT NULL DEFAULT '',
	`run_ms` bigint unsigned NOT NULL DEFAULT 0,
	`usable` boolean NOT NULL DEFAULT true,
	`invalid_reason` text,
	`invalid_ms` bigint unsigned,
	`warnings` mediumtext,
	`hits` int NOT NULL DEFAULT 0,
	`last_hit_ms` bigint unsigned,
	`created_ms` bigint unsigned NOT NULL,
	CONSTRAINT `cache_entries_id` PRIMARY KEY(`id`),
	CONSTRAINT `cache_entries_task` UNIQUE(`task_id`)
);
--> statement-breakpoint
CREATE TABLE `cache_fingerprints` (
	`fingerprint` binary(32) NOT NULL,
	`base` binary(32) NOT NULL,
	`listed_fingerprint` binary(32) NOT NULL,
	`inputs` mediumtext NOT NULL,
	`used_ms` bigint unsigned NOT NULL,
	CONSTRAINT `cache_fingerprints_fingerprint` PRIMARY KEY(`fingerprint`)
);
--> statement-breakpoint
CREATE TABLE `cache_flights` (
	`fingerprint` binary(32) NOT NULL,
	`domain` varchar(64) NOT NULL,
	`task_id` bigint unsigned NOT NULL,
	`since_ms` bigint unsigned NOT NULL,
	CONSTRAINT `cache_flights_fingerprint_domain_pk` PRIMARY KEY(`fingerprint`,`domain`)
);
--> statement-breakpoint
CREATE TABLE `cache_outputs` (
	`entry_id` bigint unsigned NOT NULL,
	`position` int NOT NULL,
	`output` int NOT NULL,
	`path` text NOT NULL,
	`url` mediumtext NOT NULL,
	`size_bytes` bigint unsigned NOT NULL,
	`crc64nvme` varchar(16) NOT NULL,
	`etag` varchar(80) NOT NULL,
	`version_id` varchar(1024),
	CONSTRAINT `cache_outputs_entry_id_position_pk` PRIMARY KEY(`entry_id`,`position`)
);
--> statement-breakpoint
CREATE TABLE `cache_savings` (
	`owner` varchar(64) NOT NULL,
	`name` varchar(255) NOT NULL,
	`hits` bigint unsigned NOT NULL,
	`vcpu_ms` bigint unsigned NOT NULL,
	`gib_ms` bigint unsigned NOT NULL,
	`copied_bytes` bigint unsigned NOT NULL,
	`last_hit_ms` bigint unsigned NOT NULL,
	CONSTRAINT `cache_savings_owner_name_pk` PRIMARY KEY(`owner`,`name`)
);
--> statement-breakpoint
CREATE TABLE `cache_uploads` (
	`upload_key` binary(16) NOT NULL,
	`url` mediumtext NOT NULL,
	`upload_id` varchar(1024) NOT NULL,
	`task_id` bigint unsigned NOT NULL,
	`created_ms` bigint unsigned NOT NULL,
	CONSTRAINT `cache_uploads_upload_key` PRIMARY KEY(`upload_key`)
);
--> statement-breakpoint
CREATE TABLE `image_digests` (
	`image_key` binary(16) NOT NULL,
	`image` text NOT NULL,
	`architecture` enum('x86-64','arm64') NOT NULL,
	`tagged` binary(32),
	`manifest` binary(32),
	`problem` mediumtext,
	`resolved_ms` bigint unsigned NOT NULL DEFAULT 0,
	`fresh_until_ms` bigint unsigned NOT NULL DEFAULT 0,
	`claimed_until_ms` bigint unsigned NOT NULL DEFAULT 0,
	CONSTRAINT `image_digests_image_key` PRIMARY KEY(`image_key`)
);
--> statement-breakpoint
CREATE TABLE `object_sums` (
	`object_key` binary(16) NOT NULL,
	`sum` varbinary(16) NOT NULL,
	`created_ms` bigint unsigned NOT NULL,
	CONSTRAINT `object_sums_object_key` PRIMARY KEY(`object_key`)
);
--> statement-breakpoint
CREATE TABLE `change_readers` (
	`reader` varchar(40) NOT NULL,
	`up_to` bigint unsigned NOT NULL,
	CONSTRAINT `change_readers_reader` PRIMARY KEY(`reader`)
);
--> statement-breakpoint
CREATE TABLE `task_changes` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`tasks` mediumtext NOT NULL,
	`ended` boolean NOT NULL,
	`created_ms` bigint unsigned NOT NULL,
	CONSTRAINT `task_changes_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `webhook_deliveries` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`webhook_id` bigint unsigned NOT NULL,
	`subject` varchar(60) NOT NULL,
	`body` mediumtext NOT NULL,
	`state` enum('pending','delivered','dead') NOT NULL,
	`tries` smallint NOT NULL DEFAULT 0,
	`outcome` text,
	`due_ms` bigint unsigned,
	`created_ms` bigint unsigned NOT NULL,
	`ended_ms` bigint unsigned,
	CONSTRAINT `webhook_deliveries_id` PRIMARY KEY(`id`),
	CONSTRAINT `webhook_deliveries_subject` UNIQUE(`webhook_id`,`subject`)
);
--> statement-breakpoint
CREATE TABLE `webhooks` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`owner` varchar(64) NOT NULL,
	`url` varchar(2048) NOT NULL,
	`wants` mediumtext NOT NULL,
	`salt` binary(16) NOT NULL,
	`created_ms` bigint unsigned NOT NULL,
	CONSTRAINT `webhooks_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `installation` (
	`one` tinyint NOT NULL,
	`id` varchar(16) NOT NULL,
	`secret` binary(32) NOT NULL,
	`epoch` int NOT NULL,
	`work_url` text,
	`issued` mediumtext NOT NULL,
	`renewals` int NOT NULL,
	`renewed_ms` bigint unsigned NOT NULL,
	`stop_reason` text,
	CONSTRAINT `installation_one` PRIMARY KEY(`one`)
);
--> statement-breakpoint
CREATE TABLE `attempts` (
	`task_id` bigint unsigned NOT NULL,
	`number` smallint NOT NULL,
	`submission_id` bigint unsigned NOT NULL,
	`array_index` int NOT NULL,
	`outcome` enum('succeeded','failed','lost','cancelled'),
	`exit_code` int,
	`reason` text,
	`result` mediumtext,
	`batch_attempt` smallint,
	`started_ms` bigint unsigned,
	`created_ms` bigint unsigned NOT NULL,
	`ended_ms` bigint unsigned,
	CONSTRAINT `attempts_task_id_number_pk` PRIMARY KEY(`task_id`,`number`),
	CONSTRAINT `attempts_index` UNIQUE(`submission_id`,`array_index`),
	CONSTRAINT `attempts_end_has_outcome` CHECK((`attempts`.`outcome` IS NULL) = (`attempts`.`ended_ms` IS NULL))
);
--> statement-breakpoint
CREATE TABLE `job_definitions` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`digest` binary(32) NOT NULL,
	`content` mediumtext NOT NULL,
	`revision` varchar(200),
	`registered_ms` bigint unsigned,
	`registrations` smallint NOT NULL DEFAULT 0,
	`unknown_ms` bigint unsigned,
	`claimed_until_ms` bigint unsigned NOT NULL DEFAULT 0,
	`created_ms` bigint unsigned NOT NULL,
	`last_used_ms` bigint unsigned NOT NULL,
	CONSTRAINT `job_definitions_id` PRIMARY KEY(`id`),
	CONSTRAINT `job_definitions_digest` UNIQUE(`digest`)
);
--> statement-breakpoint
CREATE TABLE `owners` (
	`owner` varchar(64) NOT NULL,
	CONSTRAINT `owners_owner` PRIMARY KEY(`owner`)
);
--> statement-breakpoint
CREATE TABLE `shapes` (
	`shape` binary(16) NOT NULL,
	`job_definition_id` bigint unsigned NOT NULL,
	`queue` varchar(512) NOT NULL,
	`share` varchar(255) NOT NULL,
	`priority` int NOT NULL,
	`tags` mediumtext,
	`owner` varchar(64) NOT NULL,
	`used_ms` bigint unsigned NOT NULL,
	CONSTRAINT `shapes_shape` PRIMARY KEY(`shape`)
);
--> statement-breakpoint
CREATE TABLE `submissions` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`submission_key` varchar(40) NOT NULL,
	`secret` binary(32) NOT NULL,
	`installation` varchar(16) NOT NULL,
	`owner` varchar(64) NOT NULL,
	`shape` binary(16) NOT NULL,
	`state` enum('packed','calling','running','ended') NOT NULL,
	`size` int NOT NULL,
	`open` int NOT NULL,
	`queue` varchar(512) NOT NULL,
	`job_definition_id` bigint unsigned NOT NULL,
	`job_id` varchar(80),
	`calls` smallint NOT NULL DEFAULT 0,
	`called_ms` bigint unsigned,
	`submitted_ms` bigint unsigned,
	`running_ms` bigint unsigned,
	`unstarted` int,
	`cancel_ms` bigint unsigned,
	`waiting_reason` text,
	`waiting_for` enum('permission','queue-disabled','network','throttling','settling','misconfiguration','capacity'),
	`waiting_ms` bigint unsigned,
	`blocked_ms` bigint unsigned,
	`ended_ms` bigint unsigned,
	`due_ms` bigint unsigned,
	`created_ms` bigint unsigned NOT NULL,
	CONSTRAINT `submissions_id` PRIMARY KEY(`id`),
	CONSTRAINT `submissions_key` UNIQUE(`submission_key`),
	CONSTRAINT `submissions_running_has_job` CHECK(`submissions`.`state` <> 'running' OR `submissions`.`job_id` IS NOT NULL)
);
--> statement-breakpoint
CREATE TABLE `scatters` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`owner` varchar(64) NOT NULL,
	`name` varchar(255) NOT NULL,
	`size` int NOT NULL,
	`tags` mediumtext NOT NULL,
	`created_ms` bigint unsigned NOT NULL,
	`ended_ms` bigint unsigned,
	CONSTRAINT `scatters_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `task_tags` (
	`tag_key` varbinary(512) NOT NULL,
	`tag_value` varbinary(1020) NOT NULL,
	`task_id` bigint unsigned NOT NULL,
	CONSTRAINT `task_tags_tag_key_tag_value_task_id_pk` PRIMARY KEY(`tag_key`,`tag_value`,`task_id`)
);
--> statement-breakpoint
CREATE TABLE `tasks` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`owner` varchar(64) NOT NULL,
	`cache_domain` varchar(64) NOT NULL,
	`scatter_id` bigint unsigned,
	`scatter_row` int,
	`name` varchar(255) NOT NULL,
	`description` text NOT NULL,
	`tags` mediumtext NOT NULL,
	`template_id` bigint unsigned NOT NULL,
	`slot_values` mediumtext NOT NULL,
	`cache` enum('off','read','write','readwrite','refresh') NOT NULL,
	`merge` enum('on','off') NOT NULL DEFAULT 'on',
	`replicate` int NOT NULL DEFAULT 0,
	`profile` enum('cromwell','nextflow','snakemake','pulsar','generic') NOT NULL,
	`warnings` mediumtext,
	`place` enum('cache-check','stage-script','submit','poll','finalize','done','failed','cancelled') NOT NULL,
	`ended_as` varchar(9) GENERATED ALWAYS AS (IF(place IN ('done', 'failed', 'cancelled'), place, NULL)) STORED,
	`moved_ms` bigint unsigned NOT NULL,
	`checked_ms` bigint unsigned,
	`staged_ms` bigint unsigned,
	`due_ms` bigint unsigned,
	`waits_for` bigint unsigned,
	`fingerprint` binary(32),
	`inputs_read` binary(16),
	`image_digest` binary(32),
	`hit_entry_id` bigint unsigned,
	`avoid_entry_id` bigint unsigned,
	`hit_refusal` enum('source-denied','source-archived','copies-failed','urls-exchanged','copy-unproven'),
	`cache_verdict` varchar(8),
	`cache_reason` varchar(24),
	`cache_source` bigint unsigned,
	`cache_subject` text,
	`cache_unkept` varchar(24),
	`hit_mode` enum('copy','reference'),
	`shape` binary(16),
	`submission_id` bigint unsigned,
	`attempt` smallint NOT NULL DEFAULT 0,
	`host_losses` smallint NOT NULL DEFAULT 0,
	`host_faults` smallint NOT NULL DEFAULT 0,
	`retry_ms` bigint unsigned,
	`memory_growths` smallint NOT NULL DEFAULT 0,
	`transient_failures` smallint NOT NULL DEFAULT 0,
	`failure_code` varchar(40),
	`failure` text,
	`created_ms` bigint unsigned NOT NULL,
	`ended_ms` bigint unsigned,
	CONSTRAINT `tasks_id` PRIMARY KEY(`id`),
	CONSTRAINT `tasks_poll_has_submission` CHECK(`tasks`.`place` <> 'poll' OR `tasks`.`submission_id` IS NOT NULL),
	CONSTRAINT `tasks_submit_has_shape` CHECK(`tasks`.`place` <> 'submit' OR `tasks`.`shape` IS NOT NULL),
	CONSTRAINT `tasks_failed_has_reason` CHECK(`tasks`.`place` <> 'failed' OR `tasks`.`failure_code` IS NOT NULL),
	CONSTRAINT `tasks_end_has_time` CHECK((`tasks`.`place` IN ('done', 'failed', 'cancelled')) = (`tasks`.`ended_ms` IS NOT NULL))
);
--> statement-breakpoint
CREATE TABLE `templates` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`digest` binary(32) NOT NULL,
	`body` mediumtext NOT NULL,
	`script_sha256` binary(32),
	`blocked` text,
	`blocked_ms` bigint unsigned,
	`created_ms` bigint unsigned NOT NULL,
	`used_ms` bigint unsigned NOT NULL,
	CONSTRAINT `templates_id` PRIMARY KEY(`id`),
	CONSTRAINT `templates_digest` UNIQUE(`digest`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_created` ON `idempotency_keys` (`created_ms`);--> statement-breakpoint
CREATE INDEX `cache_denials_probed` ON `cache_denials` (`probed_ms`);--> statement-breakpoint
CREATE INDEX `cache_entries_lookup` ON `cache_entries` (`usable`,`fingerprint`,`domain`);--> statement-breakpoint
CREATE INDEX `cache_entries_listed` ON `cache_entries` (`usable`,`listed_fingerprint`,`domain`);--> statement-breakpoint
CREATE INDEX `cache_entries_name` ON `cache_entries` (`owner`,`name`);--> statement-breakpoint
CREATE INDEX `cache_fingerprints_used` ON `cache_fingerprints` (`used_ms`);--> statement-breakpoint
CREATE INDEX `cache_flights_task` ON `cache_flights` (`task_id`);--> statement-breakpoint
CREATE INDEX `image_digests_resolved` ON `image_digests` (`resolved_ms`);--> statement-breakpoint
CREATE INDEX `object_sums_created` ON `object_sums` (`created_ms`);--> statement-breakpoint
CREATE INDEX `task_changes_created` ON `task_changes` (`created_ms`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_due` ON `webhook_deliveries` (`due_ms`);--> statement-breakpoint
CREATE INDEX `webhook_deliveries_ended` ON `webhook_deliveries` (`ended_ms`);--> statement-breakpoint
CREATE INDEX `webhooks_owner` ON `webhooks` (`owner`);--> statement-breakpoint
CREATE INDEX `submissions_due` ON `submissions` (`due_ms`);--> statement-breakpoint
CREATE INDEX `submissions_shape` ON `submissions` (`shape`);--> statement-breakpoint
CREATE INDEX `submissions_watch` ON `submissions` (`state`,`queue`);--> statement-breakpoint
CREATE INDEX `scatters_owner` ON `scatters` (`owner`);--> statement-breakpoint
CREATE INDEX `tasks_due` ON `tasks` (`due_ms`);--> statement-breakpoint
CREATE INDEX `tasks_scatter` ON `tasks` (`scatter_id`);--> statement-breakpoint
CREATE INDEX `tasks_submission` ON `tasks` (`submission_id`,`shape`);--> statement-breakpoint
CREATE INDEX `tasks_owner` ON `tasks` (`owner`);--> statement-breakpoint
CREATE INDEX `tasks_ended` ON `tasks` (`owner`,`ended_as`);--> statement-breakpoint
CREATE INDEX `tasks_name` ON `tasks` (`owner`,`name`);--> statement-breakpoint
CREATE INDEX `tasks_template` ON `tasks` (`owner`,`template_id`);--> statement-breakpoint
CREATE INDEX `tasks_waits_for` ON `tasks` (`waits_for`);--> statement-breakpoint
CREATE INDEX `templates_used` ON `templates` (`used_ms`);