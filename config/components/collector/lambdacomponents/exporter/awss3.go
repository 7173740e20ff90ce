//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.exporter.all || lambdacomponents.exporter.awss3)

// SPDX-License-Identifier: Apache-2.0 OR MIT

package exporter

import (
	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/awss3exporter"
	"go.opentelemetry.io/collector/exporter"
)

// Adds the exporter "awss3": telemetry as objects in an S3 bucket.
func init() {
	Factories = append(Factories, func(string) exporter.Factory { return awss3exporter.NewFactory() })
}
