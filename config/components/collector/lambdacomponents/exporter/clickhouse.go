//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.exporter.all || lambdacomponents.exporter.clickhouse)

// SPDX-License-Identifier: Apache-2.0 OR MIT

package exporter

import (
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/clickhouseexporter"
	"go.opentelemetry.io/collector/exporter"
)

// Adds the exporter "clickhouse": telemetry as rows of ClickHouse tables.
func init() {
	Factories = append(Factories, func(string) exporter.Factory { return clickhouseexporter.NewFactory() })
}
