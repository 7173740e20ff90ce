//go:build lambdacomponents.custom && (lambdacomponents.all || lambdacomponents.connector.all || lambdacomponents.connector.signaltometrics)

// SPDX-License-Identifier: Apache-2.0 OR MIT

package connector

import (
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/signaltometricsconnector"
	"go.opentelemetry.io/collector/connector"
)

// Adds the connector "signaltometrics": metrics computed from spans, logs and other metrics.
func init() {
	Factories = append(Factories, func(string) connector.Factory { return signaltometricsconnector.NewFactory() })
}
